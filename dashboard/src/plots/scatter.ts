/** The Pareto scatter as data: a pure function of points, axes and size. Drawing it is ScatterPlot's business. */
import { projectedFront, type Sense, staircase } from "../domain/pareto";
import { extent, makeScale, padded, type Scale, type ScaleKind, type Tick, ticksOf } from "../domain/scale";

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
  readonly xKind: ScaleKind;
  readonly yKind: ScaleKind;
  readonly references: readonly ReferenceMark[];
  readonly width: number;
  readonly height: number;
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
  /** Indices of the points on the 2-D front, by x. */
  readonly front: readonly number[];
  readonly frontLine: readonly (readonly [number, number])[];
  readonly references: readonly (ReferenceMark & { readonly px: number; readonly py: number })[];
  /** Points that this pair of axes cannot show. */
  readonly hidden: number;
}

export const MARGIN = { left: 68, top: 14, right: 18, bottom: 46 } as const;

function* withReferences(values: Float64Array, marks: readonly number[]): Generator<number> {
  yield* values;
  yield* marks;
}

export function scatterFigure(input: ScatterInput): ScatterFigure | null {
  const { x, y, colour, references } = input;
  const plot = {
    left: MARGIN.left,
    top: MARGIN.top,
    right: Math.max(MARGIN.left + 40, input.width - MARGIN.right),
    bottom: Math.max(MARGIN.top + 40, input.height - MARGIN.bottom),
  };
  const xExtent = extent(withReferences(x.values, references.map((mark) => mark.x)), input.xKind);
  const yExtent = extent(withReferences(y.values, references.map((mark) => mark.y)), input.yKind);
  if (xExtent === null || yExtent === null) return null;
  const xScale = makeScale(input.xKind, padded(xExtent, input.xKind), [plot.left, plot.right]);
  const yScale = makeScale(input.yKind, padded(yExtent, input.yKind), [plot.bottom, plot.top]);

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

  const colourScale = colour === null ? null : colourScaleOf(colour.values);
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
    front,
    frontLine,
    references: references
      .map((mark) => ({ ...mark, px: xScale.toPixel(mark.x), py: yScale.toPixel(mark.y) }))
      .filter((mark) => Number.isFinite(mark.px) && Number.isFinite(mark.py)),
    hidden,
  };
}

/** Logarithmic where the values span more than a factor of 20 and none is zero or negative. */
export function colourScaleOf(values: Float64Array): ColourScale | null {
  const range = extent(values);
  if (range === null) return null;
  const [low, high] = range;
  return { low, high, log: low > 0 && high / low > 20 };
}

export function toneOf(scale: ColourScale, value: number): number {
  if (Number.isNaN(value)) return Number.NaN;
  if (scale.low === scale.high) return 0.5;
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
