/** Draws parallel coordinates: lines on a canvas, axes that can be brushed in SVG. */
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatApart } from "../domain/units";
import { useWidth } from "../ui/basics";
import { dark } from "../ui/theme";
import { viridisSteps } from "./colour";
import { type ParallelAxis, type ParallelColumn, parallelFigure, type ParallelFigure, rowsToDraw } from "./parallel";
import css from "./plots.module.css";

interface ParallelPlotProps {
  readonly columns: readonly ParallelColumn[];
  readonly inverted: ReadonlySet<string>;
  /** 0 to 1 a row, NaN for none. */
  readonly tone: Float32Array;
  readonly mask: Uint8Array | null;
  readonly ranges: ReadonlyMap<string, readonly [number, number]>;
  readonly onRange: (column: string, range: readonly [number, number] | null) => void;
  readonly label: string;
}

const HEIGHT = 330;
const MOST_LINES = 3000;
const TONES = 24;
const HIT_PX = 26;

export function ParallelPlot({ columns, inverted, tone, mask, ranges, onRange, label }: ParallelPlotProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  const plotWidth = Math.max(width, columns.length * 92);
  const figure = useMemo(() => parallelFigure(columns, inverted, plotWidth, HEIGHT), [columns, inverted, plotWidth]);
  const rows = useMemo(() => rowsToDraw(columns[0]?.values.length ?? 0, mask, MOST_LINES), [columns, mask]);
  useEffect(() => {
    if (canvas.current !== null && width > 0) drawLines(canvas.current, figure, rows, tone, plotWidth, isDark);
  }, [figure, rows, tone, plotWidth, isDark, width]);
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.parallel} tabIndex={0} role="group" aria-label="Parallel coordinates, scrolls sideways" style={{ height: `${HEIGHT}px` }}>
      <canvas ref={canvas} class={css.layer} style={{ width: `${plotWidth}px`, height: `${HEIGHT}px` }} aria-hidden="true" />
      <svg width={plotWidth} height={HEIGHT} role="img" aria-label={label}>
        {figure.axes.map((axis, i) => (
          <Axis key={axis.name} axis={axis} place={i} figure={figure} range={ranges.get(axis.name) ?? null} onRange={(range) => onRange(axis.name, range)} />
        ))}
      </svg>
    </div>
  );
}

interface AxisProps {
  readonly axis: ParallelAxis;
  readonly place: number;
  readonly figure: ParallelFigure;
  readonly range: readonly [number, number] | null;
  readonly onRange: (range: readonly [number, number] | null) => void;
}

function Axis({ axis, place, figure, range, onRange }: AxisProps): JSX.Element {
  const { top, bottom } = figure;
  const [drag, setDrag] = useState<readonly [number, number] | null>(null);
  const start = useRef<number | null>(null);
  const at = (event: PointerEvent): number => {
    const frame = (event.currentTarget as SVGElement).ownerSVGElement!.getBoundingClientRect();
    return Math.min(bottom, Math.max(top, event.clientY - frame.top));
  };
  const finish = (event: PointerEvent): void => {
    const from = start.current;
    start.current = null;
    setDrag(null);
    if (from === null) return;
    const to = at(event);
    if (Math.abs(to - from) < 3) return onRange(null);
    const [a, b] = [axis.scale.toValue(from), axis.scale.toValue(to)];
    onRange([Math.min(a, b), Math.max(a, b)]);
  };
  const brush = drag ?? (range === null ? null : ([axis.scale.toPixel(Math.max(range[0], axis.domain[0])), axis.scale.toPixel(Math.min(range[1], axis.domain[1]))] as const));
  const [low, high] = axis.domain;
  const isDown = axis.scale.toPixel(low) < axis.scale.toPixel(high);
  const ends = formatApart(low * axis.factor, high * axis.factor, 3).map((text) => `${text}${axis.unit === "" ? "" : ` ${axis.unit}`}`);
  return (
    <g>
      <line class={css.axis} x1={axis.x} x2={axis.x} y1={top} y2={bottom} />
      <text class={css.parallelHead} x={axis.x} y={place % 2 === 0 ? 14 : 27} text-anchor="middle">
        {axis.label}
      </text>
      <text class={css.tick} x={axis.x} y={top - 6} text-anchor="middle">
        {ends[isDown ? 0 : 1]}
      </text>
      <text class={css.tick} x={axis.x} y={bottom + 16} text-anchor="middle">
        {ends[isDown ? 1 : 0]}
      </text>
      {brush !== null && <rect class={css.parallelBrush} x={axis.x - 6} width={12} y={Math.min(...brush)} height={Math.max(2, Math.abs(brush[1] - brush[0]))} />}
      <rect
        class={css.parallelHit}
        x={axis.x - HIT_PX / 2}
        width={HIT_PX}
        y={top}
        height={bottom - top}
        onPointerDown={(event) => {
          start.current = at(event);
          (event.currentTarget as Element).setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => start.current !== null && setDrag([start.current, at(event)])}
        onPointerUp={finish}
        onPointerCancel={finish}
      />
    </g>
  );
}

function drawLines(canvas: HTMLCanvasElement, figure: ParallelFigure, rows: ReturnType<typeof rowsToDraw>, tone: Float32Array, width: number, isDark: boolean): void {
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(ratio, ratio);
  const styles = getComputedStyle(canvas);
  const tones = viridisSteps(TONES, isDark);
  const stroke = (row: number, colour: string): void => {
    context.strokeStyle = colour;
    context.beginPath();
    let isOn = false;
    for (const axis of figure.axes) {
      const y = axis.scale.toPixel(axis.values[row]!);
      if (!Number.isFinite(y)) isOn = false;
      else if (isOn) context.lineTo(axis.x, y);
      else {
        context.moveTo(axis.x, y);
        isOn = true;
      }
    }
    context.stroke();
  };
  context.lineWidth = 1;
  context.globalAlpha = 0.5;
  for (const row of rows.plain) stroke(row, styles.getPropertyValue("--faded"));
  context.globalAlpha = rows.chosen.length > 500 ? 0.35 : 0.7;
  for (const row of rows.chosen) {
    const at = tone[row]!;
    stroke(row, Number.isNaN(at) ? styles.getPropertyValue("--accent") : tones[Math.min(TONES - 1, Math.max(0, Math.floor(at * TONES)))]!);
  }
}
