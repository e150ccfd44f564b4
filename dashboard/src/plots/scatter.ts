/** The Pareto scatter as data: a pure function of points, axes and size. Drawing it is ScatterPlot's business. */
import { projectedFront, type Sense, staircase } from "../domain/pareto";
import { extent, makeScale, padded, type Scale, type ScaleKind, type Tick, ticksOf } from "../domain/scale";
import { type AxisSpan, fromUnit } from "./cloud/points";
import { WHOLE, type Window } from "./cloud/window";

export interface Column {
  readonly values: Float64Array;
  readonly label: string;
  readonly unit: string;
  /** From data units to the unit shown. */
  readonly factor: number;
  readonly sense: Sense;
}

export interface ReferenceMark {
  readonly label: string;
  readonly x: number;
  readonly y: number;
}

export interface ScatterInput {
  readonly x: Column;
  readonly y: Column;
  readonly colour: Column | null;
  /** Metric that the size of a point stands for. */
  readonly size?: Column | null;
  readonly xKind: ScaleKind;
  readonly yKind: ScaleKind;
  /** What else must fit on the axes: the cloud behind the front, [lowest, highest]. */
  readonly xAlso?: readonly number[];
  readonly yAlso?: readonly number[];
  /** The colour scale, where it is not that of the front alone. */
  readonly colourScale?: ColourScale | null;
  readonly references: readonly ReferenceMark[];
  readonly width: number;
  readonly height: number;
  /** The part in view; everything where it is left out. */
  readonly window?: Window;
}

/** What the axes span when everything is in view. */
export interface ScatterSpans {
  readonly x: AxisSpan;
  readonly y: AxisSpan;
}

export interface ColourScale {
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
}

export interface ScatterFigure {
  readonly xScale: Scale;
  readonly yScale: Scale;
  readonly xTicks: readonly Tick[];
  readonly yTicks: readonly Tick[];
  readonly plot: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
  /** Pixel of each point; NaN where a coordinate is missing or not positive on a log axis. */
  readonly px: Float32Array;
  readonly py: Float32Array;
  /** Colour position 0..1 of each point; NaN where the value is missing. */
  readonly tone: Float32Array;
  readonly colour: ColourScale | null;
  /** Factor on the radius of each point, 1 without a size metric. */
  readonly swell: Float32Array;
  /** Indices of the points on the 2-D front, by x. */
  readonly front: readonly number[];
  readonly frontLine: readonly (readonly [number, number])[];
  readonly references: readonly (ReferenceMark & { readonly px: number; readonly py: number })[];
  /** Points that this pair of axes cannot show. */
  readonly hidden: number;
}

export const MARGIN = { left: 68, top: 14, right: 18, bottom: 46 } as const;

export function plotArea(width: number, height: number): ScatterFigure["plot"] {
  return {
    left: MARGIN.left,
    top: MARGIN.top,
    right: Math.max(MARGIN.left + 40, width - MARGIN.right),
    bottom: Math.max(MARGIN.top + 40, height - MARGIN.bottom),
  };
}

function* all(...parts: readonly Iterable<number>[]): Generator<number> {
  for (const part of parts) yield* part;
}

/** The spans of the two axes over all that is to be shown; null where an axis has nothing to show. */
export function scatterSpans(input: Omit<ScatterInput, "width" | "height">): ScatterSpans | null {
  const { x, y, xKind, yKind, references, xAlso = [], yAlso = [] } = input;
  const xExtent = extent(all(x.values, xAlso, references.map((mark) => mark.x)), xKind);
  const yExtent = extent(all(y.values, yAlso, references.map((mark) => mark.y)), yKind);
  if (xExtent === null || yExtent === null) return null;
  return { x: { kind: xKind, domain: padded(xExtent, xKind) }, y: { kind: yKind, domain: padded(yExtent, yKind) } };
}

function visible(span: AxisSpan, low: number, high: number): readonly [number, number] {
  if (low === 0 && high === 1) return span.domain;
  const value = fromUnit(span);
  return [value(low), value(high)];
}

export function scatterFigure(input: ScatterInput, spans: ScatterSpans | null = scatterSpans(input)): ScatterFigure | null {
  const { x, y, colour, references, window = WHOLE } = input;
  if (spans === null) return null;
  const plot = plotArea(input.width, input.height);
  const xScale = makeScale(input.xKind, visible(spans.x, window.x0, window.x1), [plot.left, plot.right]);
  const yScale = makeScale(input.yKind, visible(spans.y, window.y0, window.y1), [plot.bottom, plot.top]);

  const n = x.values.length;
  const px = new Float32Array(n);
  const py = new Float32Array(n);
  const tone = new Float32Array(n).fill(Number.NaN);
  let hidden = 0;
  for (let i = 0; i < n; i += 1) {
    px[i] = xScale.toPixel(x.values[i]!);
    py[i] = yScale.toPixel(y.values[i]!);
    if (!Number.isFinite(px[i]!) || !Number.isFinite(py[i]!)) {
      px[i] = py[i] = Number.NaN;
      hidden += 1;
    }
  }

  const colourScale = input.colourScale !== undefined ? input.colourScale : colour === null ? null : colourScaleOf(colour.values);
  if (colour !== null && colourScale !== null) {
    for (let i = 0; i < n; i += 1) tone[i] = toneOf(colourScale, colour.values[i]!);
  }

  const front = projectedFront(x.values, y.values, x.sense, y.sense).filter((i) => !Number.isNaN(px[i]!));
  const frontLine = staircase(px, py, front, x.sense);
  return {
    xScale,
    yScale,
    xTicks: ticksOf(xScale, Math.max(3, Math.round((plot.right - plot.left) / 90)), x.factor),
    yTicks: ticksOf(yScale, Math.max(3, Math.round((plot.bottom - plot.top) / 55)), y.factor),
    plot,
    px,
    py,
    tone,
    colour: colourScale,
    swell: swellOf(input.size ?? null, n),
    front,
    frontLine,
    references: references
      .map((mark) => ({ ...mark, px: xScale.toPixel(mark.x), py: yScale.toPixel(mark.y) }))
      .filter((mark) => Number.isFinite(mark.px) && Number.isFinite(mark.py)),
    hidden,
  };
}

const LABEL_HEIGHT = 13;
const LETTER = 6.3;
/** From the middle of a mark to its label. */
const GAP = 11;

export interface LabelPlace {
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "end";
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** How far up and down a label may go, in its own heights, the nearest first. */
const STEPS = [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6];

/**
 * A place for the label of each mark, beside it and within the plot, where it lies on no other label and on no other mark;
 * among such places the nearest of those that cover the fewest `points`.
 */
export function labelPlaces(marks: readonly { readonly px: number; readonly py: number; readonly label: string }[], plot: Box, points: Pick<ScatterFigure, "px" | "py"> = NO_POINTS): LabelPlace[] {
  const taken: Box[] = marks.map(({ px, py }) => ({ left: px - 8, right: px + 8, top: py - 8, bottom: py + 8 }));
  return marks.map(({ px, py, label }, own) => {
    const width = label.length * LETTER;
    const candidates = STEPS.flatMap((step) =>
      (["start", "end"] as const).map((anchor) => {
        const left = anchor === "start" ? px + GAP : px - GAP - width;
        const middle = py + step * LABEL_HEIGHT;
        return { anchor, x: anchor === "start" ? px + GAP : px - GAP, y: middle + 4, box: { left, right: left + width, top: middle - LABEL_HEIGHT / 2, bottom: middle + LABEL_HEIGHT / 2 } };
      }),
    );
    const isWithin = ({ box }: { readonly box: Box }): boolean => box.left >= plot.left && box.right <= plot.right && box.top >= plot.top && box.bottom <= plot.bottom;
    const isFree = ({ box }: { readonly box: Box }): boolean =>
      taken.every((other, i) => i === own || other.right <= box.left || other.left >= box.right || other.bottom <= box.top || other.top >= box.bottom);
    const free = candidates.filter((one) => isWithin(one) && isFree(one));
    const chosen = leastCovering(free, points) ?? candidates.find(isWithin) ?? candidates[0]!;
    taken.push(chosen.box);
    return { x: chosen.x, y: chosen.y, anchor: chosen.anchor };
  });
}

const NO_POINTS = { px: new Float32Array(), py: new Float32Array() };
/** Around a point, in pixels: its disc reaches so far. */
const POINT_RADIUS = 4;

function leastCovering<T extends { readonly box: Box }>(candidates: readonly T[], { px, py }: Pick<ScatterFigure, "px" | "py">): T | undefined {
  let best: T | undefined;
  let fewest = Infinity;
  for (const one of candidates) {
    const { left, right, top, bottom } = one.box;
    let covered = 0;
    for (let i = 0; i < px.length; i += 1) {
      if (px[i]! > left - POINT_RADIUS && px[i]! < right + POINT_RADIUS && py[i]! > top - POINT_RADIUS && py[i]! < bottom + POINT_RADIUS) covered += 1;
    }
    if (covered < fewest) [best, fewest] = [one, covered];
    if (fewest === 0) break;
  }
  return best;
}

/** The radius grows with the square root of the value's place in its range, so that areas compare. */
function swellOf(size: Column | null, count: number): Float32Array {
  const swell = new Float32Array(count).fill(1);
  const scale = size === null ? null : colourScaleOf(size.values);
  if (size === null || scale === null) return swell;
  for (let i = 0; i < count; i += 1) {
    const place = toneOf(scale, size.values[i]!);
    swell[i] = Number.isNaN(place) ? 0.6 : 0.7 + 1.9 * Math.sqrt(Math.max(0, place));
  }
  return swell;
}

/** Below this share of their size two values are the same: those of the cloud have single precision. */
const SAME = 1e-6;

/** Logarithmic where the values span more than a factor of 20 and none is zero or negative. */
export function colourScaleOf(values: Iterable<number>): ColourScale | null {
  const range = extent(values);
  if (range === null) return null;
  const [low, high] = range;
  return { low, high, log: low > 0 && high / low > 20 };
}

/** Whether all values are one, but for rounding. */
export function isFlat({ low, high }: Pick<ColourScale, "low" | "high">): boolean {
  return high - low <= SAME * Math.max(Math.abs(low), Math.abs(high));
}

export function toneOf(scale: ColourScale, value: number): number {
  if (Number.isNaN(value)) return Number.NaN;
  if (isFlat(scale)) return 0.5;
  if (scale.log) return Math.log(value / scale.low) / Math.log(scale.high / scale.low);
  return (value - scale.low) / (scale.high - scale.low);
}

/** Index of the point nearest to a pixel, within `radius`; -1 when there is none. Front points win a near tie. */
export function nearestPoint(figure: ScatterFigure, atX: number, atY: number, radius: number): number {
  let found = -1;
  let nearest = radius * radius;
  for (let i = 0; i < figure.px.length; i += 1) {
    const dx = figure.px[i]! - atX;
    const dy = figure.py[i]! - atY;
    const distance = dx * dx + dy * dy;
    if (distance <= nearest) {
      nearest = distance;
      found = i;
    }
  }
  const onFront = figure.front.find((i) => Math.hypot(figure.px[i]! - atX, figure.py[i]! - atY) ** 2 <= nearest + 9);
  return onFront ?? found;
}

/** The visible point that follows `current` from left to right (`direction` 1) or back (-1). */
export function neighbour(figure: ScatterFigure, current: number, direction: 1 | -1): number {
  const order: number[] = [];
  for (let i = 0; i < figure.px.length; i += 1) if (!Number.isNaN(figure.px[i]!)) order.push(i);
  if (order.length === 0) return -1;
  order.sort((a, b) => figure.px[a]! - figure.px[b]! || figure.py[a]! - figure.py[b]! || a - b);
  const position = order.indexOf(current);
  if (position < 0) return direction === 1 ? order[0]! : order[order.length - 1]!;
  return order[Math.min(order.length - 1, Math.max(0, position + direction))]!;
}
