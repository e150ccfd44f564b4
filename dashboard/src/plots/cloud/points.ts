/** A cloud of designs made ready to draw: unit coordinates, in an order of which every beginning is a fair sample. */
import type { Numbers } from "../../domain/table";
import type { ScaleKind } from "../../domain/scale";

export interface AxisSpan {
  readonly kind: ScaleKind;
  /** What lies at 0 and at 1. */
  readonly domain: readonly [number, number];
}

export interface CloudPoints {
  readonly count: number;
  /** Place in the order of drawing -> row of the table. */
  readonly rows: Uint32Array;
  /** Unit coordinates in the order of drawing; `OUTSIDE` where the axis cannot show the value. */
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Far from every window, so that the point is clipped. */
export const OUTSIDE = -1e6;

/** 0 at the low end of the axis, 1 at the high end; not a number where the axis cannot show the value. */
export function toUnit(span: AxisSpan): (value: number) => number {
  const forward = span.kind === "log" ? Math.log : (value: number) => value;
  const low = forward(span.domain[0]);
  const width = forward(span.domain[1]) - low || 1;
  return (value) => (forward(value) - low) / width;
}

export function fromUnit(span: AxisSpan): (unit: number) => number {
  const isLog = span.kind === "log";
  const low = isLog ? Math.log(span.domain[0]) : span.domain[0];
  const width = (isLog ? Math.log(span.domain[1]) : span.domain[1]) - low || 1;
  return (unit) => (isLog ? Math.exp(low + unit * width) : low + unit * width);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Every row once; steps of about the golden section spread each beginning of the order over the whole table. */
export function spreadOrder(count: number): Uint32Array {
  let step = Math.max(1, Math.round(count * 0.6180339887));
  while (greatestDivisor(step, count) !== 1) step += 1;
  const order = new Uint32Array(count);
  for (let i = 0, row = 0; i < count; i += 1, row = (row + step) % count) order[i] = row;
  return order;
}

/** `keep` leaves rows out, those where it is 0. */
export function cloudPoints(x: Numbers, y: Numbers, xSpan: AxisSpan, ySpan: AxisSpan, keep: Uint8Array | null = null): CloudPoints {
  const rows = keep === null ? spreadOrder(x.length) : spreadOrder(x.length).filter((row) => keep[row] === 1);
  const unitX = toUnit(xSpan);
  const unitY = toUnit(ySpan);
  const px = new Float32Array(rows.length);
  const py = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i += 1) {
    const ux = unitX(x[rows[i]!]!);
    const uy = unitY(y[rows[i]!]!);
    const isShown = Number.isFinite(ux) && Number.isFinite(uy);
    px[i] = isShown ? ux : OUTSIDE;
    py[i] = isShown ? uy : OUTSIDE;
  }
  return { count: rows.length, rows, x: px, y: py };
}

/** `values[row]` in the order of drawing. */
export function inDrawingOrder(points: CloudPoints, values: Uint8Array): Uint8Array {
  const ordered = new Uint8Array(points.count);
  for (let i = 0; i < points.count; i += 1) ordered[i] = values[points.rows[i]!]!;
  return ordered;
}

/** How many designs share the place of each point: 0 where it is alone, 1 where most are, by the logarithm; by row. */
export function densityTones(points: CloudPoints, tableRows: number, bins = 160): Float32Array {
  const counts = new Uint32Array(bins * bins);
  const cellOf = (i: number): number => {
    const [ux, uy] = [points.x[i]!, points.y[i]!];
    if (!(ux >= 0 && ux <= 1 && uy >= 0 && uy <= 1)) return -1;
    return Math.min(bins - 1, Math.floor(uy * bins)) * bins + Math.min(bins - 1, Math.floor(ux * bins));
  };
  let most = 1;
  for (let i = 0; i < points.count; i += 1) {
    const cell = cellOf(i);
    if (cell >= 0) most = Math.max(most, (counts[cell] = counts[cell]! + 1));
  }
  const tones = new Float32Array(tableRows).fill(Number.NaN);
  const scale = most > 1 ? 1 / Math.log(most) : 0;
  for (let i = 0; i < points.count; i += 1) {
    const cell = cellOf(i);
    if (cell >= 0) tones[points.rows[i]!] = Math.log(counts[cell]!) * scale;
  }
  return tones;
}
