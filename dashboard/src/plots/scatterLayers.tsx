/** What a scatter is drawn from: axes, the points of the front, marks, the lasso, the tooltip. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { dark } from "../ui/theme";
import { viridisSteps } from "./colour";
import { labelPlaces, type ScatterFigure, type ScatterInput } from "./scatter";
import css from "./plots.module.css";

const TONES = 24;
/** Inner radius of a hollow point. */
const HOLE = 0.5;

/** A design that was measured: `kind` says how, and where the measured values lie if both axes have one. */
export interface Ring {
  readonly index: number;
  readonly kind: string;
  readonly x: number | null;
  readonly y: number | null;
}

interface LayerProps {
  readonly figure: ScatterFigure;
  readonly width: number;
  readonly height: number;
}

function axisTitle(label: string, unit: string): string {
  return unit === "" ? label : `${label} (${unit})`;
}

export function Frame({ figure, input, width, height }: LayerProps & { readonly input: Pick<ScatterInput, "x" | "y"> }): JSX.Element {
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
    </svg>
  );
}

/** Clips to the area of the plot: what is zoomed out of view is not drawn over the axes. */
function Clip({ figure, id }: { readonly figure: ScatterFigure; readonly id: string }): JSX.Element {
  const { left, top, right, bottom } = figure.plot;
  return (
    <clipPath id={id}>
      <rect x={left} y={top} width={right - left} height={bottom - top} />
    </clipPath>
  );
}

/** The line through the best of the two metrics in view. */
export function FrontLine({ figure, width, height }: LayerProps): JSX.Element | null {
  const clip = useId();
  if (figure.frontLine.length < 2) return null;
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      <Clip figure={figure} id={clip} />
      <path clip-path={`url(#${clip})`} class={css.frontLine} d={`M${figure.frontLine.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`} />
    </svg>
  );
}

interface PointsProps extends LayerProps {
  /** 1 for the designs that are selected; null where nothing is. */
  readonly mask: Uint8Array | null;
  /** 1 for the designs that are drawn hollow; null for none. */
  readonly hollow: Uint8Array | null;
}

export function Points({ figure, width, height, mask, hollow }: PointsProps): JSX.Element {
  const ref = useRef<HTMLCanvasElement>(null);
  const isDark = dark.value;
  useEffect(() => {
    if (ref.current !== null) drawPoints(ref.current, figure, width, height, isDark, mask, hollow);
  }, [figure, width, height, isDark, mask, hollow]);
  return <canvas ref={ref} class={css.layer} style={{ width: `${width}px`, height: `${height}px` }} aria-hidden="true" />;
}

function drawPoints(canvas: HTMLCanvasElement, figure: ScatterFigure, width: number, height: number, isDark: boolean, mask: Uint8Array | null, hollow: Uint8Array | null): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.scale(ratio, ratio);
  const { left, top, right, bottom } = figure.plot;
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  const styles = getComputedStyle(canvas);
  const plain = styles.getPropertyValue("--accent");
  const none = styles.getPropertyValue("--faint");
  const faded = styles.getPropertyValue("--line-strong");
  const tones = viridisSteps(TONES, isDark);
  const colourOf = (i: number): string => {
    if (figure.colour === null) return plain;
    const tone = figure.tone[i]!;
    return Number.isNaN(tone) ? none : tones[Math.min(TONES - 1, Math.max(0, Math.floor(tone * TONES)))]!;
  };
  const isChosen = (i: number): boolean => mask === null || mask[i] === 1;
  const disc = (i: number, size: number, colour: string): void => {
    context.fillStyle = isChosen(i) ? colour : faded;
    context.beginPath();
    context.arc(figure.px[i]!, figure.py[i]!, size * figure.swell[i]!, 0, 2 * Math.PI);
    if (hollow !== null && hollow[i] === 1) context.arc(figure.px[i]!, figure.py[i]!, size * figure.swell[i]! * HOLE, 0, 2 * Math.PI, true);
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
  context.fillStyle = styles.getPropertyValue("--panel");
  const rim = (i: number, size: number): void => {
    context.beginPath();
    context.arc(figure.px[i]!, figure.py[i]!, size * figure.swell[i]!, 0, 2 * Math.PI);
    context.fill();
  };
  for (const i of figure.front) rim(i, radius + 1.9);
  for (const i of figure.front) disc(i, radius + 1.1, colourOf(i));
}

/** Published designs and other systems: below the front, which they must not hide; their names are above it. */
export function References({ figure, width, height }: LayerProps): JSX.Element {
  const clip = useId();
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      <Clip figure={figure} id={clip} />
      <g clip-path={`url(#${clip})`}>
        {figure.references.map((mark) => (
          <path key={mark.label} class={css.reference} d={`M${mark.px} ${mark.py - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z`} />
        ))}
      </g>
    </svg>
  );
}

interface MarksProps extends LayerProps {
  readonly hovered: readonly [number, number] | null;
  readonly selected: number;
  readonly knees: readonly number[];
  readonly rings: readonly Ring[];
}

export function Marks({ figure, width, height, hovered, selected, knees, rings }: MarksProps): JSX.Element {
  const { px, py, plot } = figure;
  const clip = useId();
  const at = (index: number): readonly [number, number] | null => (index >= 0 && index < px.length && !Number.isNaN(px[index]!) ? [px[index]!, py[index]!] : null);
  const place = at(selected);
  const labels = labelPlaces(figure.references, plot, figure);
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      <Clip figure={figure} id={clip} />
      <g clip-path={`url(#${clip})`}>
        {rings.map((ring, i) => (
          <RingMark key={i} ring={ring} from={at(ring.index)} figure={figure} />
        ))}
        {knees.map((index) => {
          const knee = at(index);
          return knee === null ? null : <path key={index} class={css.knee} d={`M${knee[0]} ${knee[1] - 11}l-4.5 -8h9z`} />;
        })}
        {figure.references.map((mark, i) => {
          const { x, y, anchor } = labels[i]!;
          // A label that had to go away from its mark stays tied to it.
          return Math.abs(y - 4 - mark.py) < 12 ? null : <path key={mark.label} class={css.referenceLead} d={`M${mark.px} ${mark.py}L${anchor === "start" ? x - 2 : x + 2} ${y - 4}`} />;
        })}
        {figure.references.map((mark, i) => (
          <text key={mark.label} class={css.referenceLabel} x={labels[i]!.x} y={labels[i]!.y} text-anchor={labels[i]!.anchor}>
            {mark.label}
          </text>
        ))}
        {place !== null && (
          <g class={css.selected}>
            <circle cx={place[0]} cy={place[1]} r={8.5} />
            <path d={`M${place[0]} ${plot.bottom}V${place[1] + 8.5}M${plot.left} ${place[1]}H${place[0] - 8.5}`} />
          </g>
        )}
        {hovered !== null && <circle class={css.hovered} cx={hovered[0]} cy={hovered[1]} r={7} />}
      </g>
    </svg>
  );
}

/** A ring around the prediction, and a line from it to what was measured. */
function RingMark({ ring, from, figure }: { readonly ring: Ring; readonly from: readonly [number, number] | null; readonly figure: ScatterFigure }): JSX.Element | null {
  if (from === null) return null;
  const to = ring.x === null || ring.y === null ? null : [figure.xScale.toPixel(ring.x), figure.yScale.toPixel(ring.y)];
  return (
    <g class={css.ring} data-fidelity={ring.kind}>
      <circle cx={from[0]} cy={from[1]} r={7.5} />
      {to !== null && <path d={`M${from[0]} ${from[1]}L${to[0]} ${to[1]}M${to[0]! - 4} ${to[1]! - 4}l8 8m0 -8l-8 8`} />}
    </g>
  );
}

interface LassoPathProps {
  readonly width: number;
  readonly height: number;
  /** Corners in pixels. */
  readonly path: readonly (readonly [number, number])[];
  readonly open?: boolean;
}

export function LassoPath({ width, height, path, open = false }: LassoPathProps): JSX.Element | null {
  if (path.length < 2) return null;
  return (
    <svg class={css.layer} width={width} height={height} aria-hidden="true">
      <path class={css.lasso} d={`M${path.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${open ? "" : "Z"}`} />
    </svg>
  );
}

interface TooltipProps {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly children: ComponentChildren;
}

export function Tooltip({ x, y, width, children }: TooltipProps): JSX.Element {
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
