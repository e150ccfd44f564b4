/** Draws a ScatterFigure: points on a canvas, axes and marks in SVG, one tooltip, mouse and keyboard. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { useWidth } from "../ui/basics";
import { dark } from "../ui/theme";
import { viridisSteps } from "./colour";
import { nearestPoint, neighbour, scatterFigure, type ScatterFigure, type ScatterInput } from "./scatter";
import css from "./plots.module.css";

const TONES = 24;
const HIT_RADIUS = 14;

interface ScatterPlotProps {
  readonly input: Omit<ScatterInput, "width" | "height">;
  readonly height: number;
  readonly label: string;
  /** A point that is pointed at elsewhere, in the table. */
  readonly highlighted?: number;
  /** The design that the page shows. */
  readonly selected?: number;
  /** Without it, points cannot be opened (the search still runs). */
  readonly onOpen?: ((index: number) => void) | undefined;
  readonly tooltip: (index: number) => ComponentChildren;
  readonly describe: (index: number) => string;
}

export function ScatterPlot({ input, height, label, highlighted = -1, selected = -1, onOpen, tooltip, describe }: ScatterPlotProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const [hovered, setHovered] = useState(-1);
  const [byKeyboard, setByKeyboard] = useState(false);
  const help = useId();
  const figure = useMemo(() => (width > 0 ? scatterFigure({ ...input, width, height }) : null), [input, width, height]);

  const count = input.x.values.length;
  const at = hovered < count ? hovered : -1;
  const shown = figure !== null && at >= 0 && !Number.isNaN(figure.px[at]!) ? at : -1;

  const keyDown = (event: KeyboardEvent): void => {
    if (figure === null) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      setHovered(neighbour(figure, shown >= 0 ? shown : selected, step as 1 | -1));
      setByKeyboard(true);
    } else if (event.key === "Home" || event.key === "End") {
      setHovered(neighbour(figure, -1, event.key === "Home" ? 1 : -1));
      setByKeyboard(true);
    } else if (event.key === "Enter" && shown >= 0) {
      onOpen?.(shown);
    } else if (event.key === "Escape") {
      setHovered(-1);
    } else return;
    event.preventDefault();
  };

  const pointerMove = (event: PointerEvent): void => {
    if (figure === null || box.current === null) return;
    const frame = box.current.getBoundingClientRect();
    setHovered(nearestPoint(figure, event.clientX - frame.left, event.clientY - frame.top, HIT_RADIUS));
    setByKeyboard(false);
  };

  return (
    <div
      ref={box as { current: HTMLDivElement | null }}
      class={css.scatter}
      style={{ height: `${height}px`, cursor: shown >= 0 && onOpen !== undefined ? "pointer" : "default" }}
      role="application"
      aria-roledescription="scatter plot"
      aria-label={label}
      aria-describedby={help}
      data-points={count}
      tabIndex={0}
      onKeyDown={keyDown}
      onPointerMove={pointerMove}
      onPointerLeave={() => setHovered(-1)}
      onBlur={() => setHovered(-1)}
      onClick={() => shown >= 0 && onOpen?.(shown)}
    >
      <span id={help} class="visually-hidden">
        {count} points. Arrow keys step through them from left to right{onOpen === undefined ? "" : ", Enter opens the design"}. The
        table has the same data.
      </span>
      {figure === null ? (
        width > 0 && <p class={css.nothing}>No point has both metrics on these axes.</p>
      ) : (
        <>
          <Frame figure={figure} input={input} width={width} height={height} />
          <Points figure={figure} width={width} height={height} />
          <Marks figure={figure} width={width} height={height} hovered={shown >= 0 ? shown : highlighted < count ? highlighted : -1} selected={selected} />
          {figure.hidden > 0 && <p class={css.hiddenNote}>{figure.hidden} points have no value on these axes</p>}
          {shown >= 0 && <Tooltip x={figure.px[shown]!} y={figure.py[shown]!} width={width}>{tooltip(shown)}</Tooltip>}
        </>
      )}
      <span class="visually-hidden" aria-live="polite">
        {byKeyboard && shown >= 0 ? describe(shown) : ""}
      </span>
    </div>
  );
}

interface LayerProps {
  readonly figure: ScatterFigure;
  readonly width: number;
  readonly height: number;
}

function axisTitle(label: string, unit: string): string {
  return unit === "" ? label : `${label} (${unit})`;
}

function Frame({ figure, input, width, height }: LayerProps & { input: ScatterPlotProps["input"] }): JSX.Element {
  const { plot } = figure;
  const middle = (plot.top + plot.bottom) / 2;
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      {figure.xTicks.map((tick) => {
        const x = figure.xScale.toPixel(tick.value);
        return (
          <g key={`x${tick.value}`}>
            <line class={tick.label === "" ? css.gridMinor : css.grid} x1={x} x2={x} y1={plot.top} y2={plot.bottom} />
            <text class={css.tick} x={x} y={plot.bottom + 16} text-anchor="middle">
              {tick.label}
            </text>
          </g>
        );
      })}
      {figure.yTicks.map((tick) => {
        const y = figure.yScale.toPixel(tick.value);
        return (
          <g key={`y${tick.value}`}>
            <line class={tick.label === "" ? css.gridMinor : css.grid} x1={plot.left} x2={plot.right} y1={y} y2={y} />
            <text class={css.tick} x={plot.left - 8} y={y + 3.5} text-anchor="end">
              {tick.label}
            </text>
          </g>
        );
      })}
      <path class={css.axis} d={`M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}`} />
      <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={height - 8} text-anchor="middle">
        {axisTitle(input.x.label, input.x.unit)}
      </text>
      <text class={css.axisTitle} x={16} y={middle} text-anchor="middle" transform={`rotate(-90 16 ${middle})`}>
        {axisTitle(input.y.label, input.y.unit)}
      </text>
      {figure.frontLine.length > 1 && (
        <path class={css.frontLine} d={`M${figure.frontLine.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`} />
      )}
    </svg>
  );
}

function Points({ figure, width, height }: LayerProps): JSX.Element {
  const ref = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  useEffect(() => {
    if (ref.current !== null) drawPoints(ref.current, figure, width, height, isDark);
  }, [figure, width, height, isDark]);
  return <canvas ref={ref} class={css.layer} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden="true" />;
}

function drawPoints(canvas: HTMLCanvasElement, figure: ScatterFigure, width: number, height: number, isDark: boolean): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(ratio, ratio);
  const styles = getComputedStyle(canvas);
  const plain = styles.getPropertyValue("--accent");
  const none = styles.getPropertyValue("--faint");
  const tones = viridisSteps(TONES, isDark);
  const colourOf = (i: number): string => {
    if (figure.colour === null) return plain;
    const tone = figure.tone[i]!;
    return Number.isNaN(tone) ? none : tones[Math.min(TONES - 1, Math.max(0, Math.floor(tone * TONES)))]!;
  };
  const disc = (i: number, size: number, colour: string): void => {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(figure.px[i]!, figure.py[i]!, size, 0, 2 * Math.PI);
    context.fill();
  };
  const onFront = new Set(figure.front);
  const radius = figure.px.length > 3000 ? 2 : figure.px.length > 600 ? 2.6 : 3.2;
  context.globalAlpha = figure.px.length > 3000 ? 0.55 : 0.75;
  for (let i = 0; i < figure.px.length; i += 1) {
    if (!Number.isNaN(figure.px[i]!) && !onFront.has(i)) disc(i, radius, colourOf(i));
  }
  context.globalAlpha = 1;
  // Front points are larger, on rims of the background; all rims first, so that none covers a neighbour.
  const background = styles.getPropertyValue("--panel");
  for (const i of figure.front) disc(i, radius + 1.9, background);
  for (const i of figure.front) disc(i, radius + 1.1, colourOf(i));
}

function Marks({ figure, width, height, hovered, selected }: LayerProps & { hovered: number; selected: number }): JSX.Element {
  const { px, py, plot } = figure;
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      {figure.references.map((mark) => {
        const left = mark.px > (plot.left + plot.right) / 2;
        return (
          <g key={mark.label}>
            <path class={css.reference} d={`M${mark.px} ${mark.py - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z`} />
            <text class={css.referenceLabel} x={mark.px + (left ? -11 : 11)} y={mark.py + 4} text-anchor={left ? "end" : "start"}>
              {mark.label}
            </text>
          </g>
        );
      })}
      {selected >= 0 && selected < px.length && !Number.isNaN(px[selected]!) && (
        <g class={css.selected}>
          <circle cx={px[selected]} cy={py[selected]} r={8.5} />
          <path d={`M${px[selected]} ${plot.bottom}V${py[selected]! + 8.5}M${plot.left} ${py[selected]}H${px[selected]! - 8.5}`} />
        </g>
      )}
      {hovered >= 0 && !Number.isNaN(px[hovered]!) && <circle class={css.hovered} cx={px[hovered]} cy={py[hovered]} r={7} />}
    </svg>
  );
}

interface TooltipProps {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly children: ComponentChildren;
}

function Tooltip({ x, y, width, children }: TooltipProps): JSX.Element {
  const left = x > width / 2;
  return (
    <div
      class={css.tooltip}
      role="tooltip"
      style={{ top: `${y}px`, ...(left ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` }) }}
    >
      {children}
    </div>
  );
}
