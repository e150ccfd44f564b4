/** The canvas of a cloud: takes new points, colours, flags and windows to the loop that draws them. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { dark } from "../../ui/theme";
import { viridisRgb } from "../colour";
import css from "../plots.module.css";
import { glPainter } from "./gl";
import { CloudLoop } from "./loop";
import { type CloudPainter, type CloudStyle, type Rgb } from "./painter";
import type { CloudPoints } from "./points";
import { rasterPainter } from "./raster";
import type { Window } from "./window";

interface CloudCanvasProps {
  readonly points: CloudPoints;
  readonly tones: Uint8Array;
  readonly flags: Uint8Array;
  readonly hasSelection: boolean;
  readonly window: Window;
  readonly plot: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
}

const CLOCK = {
  now: () => performance.now(),
  request: (callback: () => void) => window.requestAnimationFrame(callback),
  cancel: (handle: number) => window.cancelAnimationFrame(handle),
};

interface Drawing {
  readonly painter: CloudPainter;
  readonly loop: CloudLoop;
}

export function CloudCanvas({ points, tones, flags, hasSelection, window: view, plot }: CloudCanvasProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<Drawing | null>(null);
  const isDark = dark.value;
  const width = plot.right - plot.left;
  const height = plot.bottom - plot.top;

  useEffect(() => {
    const element = canvas.current!;
    const painter = glPainter(element) ?? rasterPainter(element);
    if (painter === null) return undefined;
    element.dataset["painter"] = painter.kind;
    const loop = new CloudLoop(painter, view, CLOCK, (drawn) => {
      element.dataset["drawn"] = String(drawn);
    });
    drawing.current = { painter, loop };
    return () => {
      loop.stop();
      painter.dispose();
      drawing.current = null;
    };
  }, []);

  useEffect(() => {
    const ratio = window.devicePixelRatio || 1;
    drawing.current?.painter.resize(Math.round(width * ratio), Math.round(height * ratio));
    drawing.current?.loop.redraw();
  }, [width, height]);
  useEffect(() => drawing.current?.painter.setPoints(points), [points]);
  useEffect(() => drawing.current?.painter.setTones(tones), [tones]);
  useEffect(() => drawing.current?.painter.setFlags(flags), [flags]);
  useEffect(() => {
    drawing.current?.painter.setStyle(cloudStyle(canvas.current!, isDark, hasSelection, points.count));
  }, [isDark, hasSelection, points]);
  useEffect(() => drawing.current?.loop.setCount(points.count), [points, tones, flags, hasSelection, isDark]);
  useEffect(() => drawing.current?.loop.move(view), [view]);

  return (
    <canvas
      ref={canvas}
      class={css.cloud}
      data-points={points.count}
      style={{ left: `${plot.left}px`, top: `${plot.top}px`, width: `${width}px`, height: `${height}px` }}
      aria-hidden="true"
    />
  );
}

function rgbOf(styles: CSSStyleDeclaration, name: string): Rgb {
  const hex = styles.getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

function cloudStyle(element: HTMLElement, isDark: boolean, hasSelection: boolean, count: number): CloudStyle {
  const styles = getComputedStyle(element);
  return {
    palette: Array.from({ length: 255 }, (_, i) => viridisRgb(i / 254, isDark)),
    missing: rgbOf(styles, "--faint"),
    infeasible: rgbOf(styles, "--infeasible"),
    faded: rgbOf(styles, "--faded"),
    hasSelection,
    size: (count > 300_000 ? 1.5 : count > 20_000 ? 2 : 3) * (window.devicePixelRatio || 1),
  };
}
