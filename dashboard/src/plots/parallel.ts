/** Parallel coordinates as data: one axis a column, one line a design. Better is up on every axis. */
import type { Sense } from "../domain/pareto";
import { extent, makeScale, type Scale, type ScaleKind } from "../domain/scale";

export interface ParallelColumn {
  readonly name: string;
  readonly label: string;
  readonly unit: string;
  readonly factor: number;
  readonly values: ArrayLike<number>;
  /** Which way is better; a parameter has none and grows upwards. */
  readonly sense: Sense | null;
}

export interface ParallelAxis extends ParallelColumn {
  readonly x: number;
  readonly scale: Scale;
  readonly kind: ScaleKind;
  readonly domain: readonly [number, number];
}

export interface ParallelFigure {
  readonly axes: readonly ParallelAxis[];
  readonly top: number;
  readonly bottom: number;
}

export const PARALLEL_MARGIN = { left: 56, right: 56, top: 46, bottom: 26 } as const;

function* iterate(values: ArrayLike<number>): Generator<number> {
  for (let i = 0; i < values.length; i += 1) yield values[i]!;
}

/** Columns without a value, or with one value only, have no axis: there is nothing to tell apart. */
export function parallelFigure(columns: readonly ParallelColumn[], inverted: ReadonlySet<string>, width: number, height: number): ParallelFigure {
  const top = PARALLEL_MARGIN.top;
  const bottom = height - PARALLEL_MARGIN.bottom;
  const telling = columns.flatMap((column) => {
    const range = extent(iterate(column.values));
    return range === null || range[0] === range[1] ? [] : [{ column, range }];
  });
  const step = telling.length > 1 ? (width - PARALLEL_MARGIN.left - PARALLEL_MARGIN.right) / (telling.length - 1) : 0;
  const axes = telling.map(({ column, range }, i): ParallelAxis => {
    const kind: ScaleKind = range[0] > 0 && range[1] / range[0] > 20 ? "log" : "linear";
    const isDown = (column.sense === "min") !== inverted.has(column.name);
    return {
      ...column,
      kind,
      domain: range,
      x: PARALLEL_MARGIN.left + i * step,
      scale: makeScale(kind, range, isDown ? [top, bottom] : [bottom, top]),
    };
  });
  return { axes, top, bottom };
}

/** Rows to draw: all, or as many of them, evenly spread; the selected ones first where something is selected. */
export function rowsToDraw(count: number, mask: Uint8Array | null, most: number): { readonly plain: number[]; readonly chosen: number[] } {
  const plain: number[] = [];
  const chosen: number[] = [];
  for (let i = 0; i < count; i += 1) (mask !== null && mask[i] === 0 ? plain : chosen).push(i);
  const spread = (rows: number[]): number[] => {
    const every = Math.ceil(rows.length / most);
    return every <= 1 ? rows : rows.filter((_, i) => i % every === 0);
  };
  return { plain: spread(plain), chosen: spread(chosen) };
}
