/**
 * What is selected among the designs of an exploration, as rules and not as rows: so it fits into an address, holds for
 * the sample and for the whole cloud alike, and means the same tomorrow. A design is selected that meets every rule.
 */
import { insideTest, type Lasso } from "./lasso";
import type { Table } from "./table";

/** A range of one column, both ends within. */
export interface Range {
  readonly column: string;
  readonly low: number;
  readonly high: number;
}

export interface Selection {
  readonly lasso: Lasso | null;
  readonly ranges: readonly Range[];
}

export const NO_SELECTION: Selection = { lasso: null, ranges: [] };

export function isEmpty(selection: Selection): boolean {
  return selection.lasso === null && selection.ranges.length === 0;
}

/** The columns that a table must have to tell what is selected. */
export function selectionColumns(selection: Selection): readonly string[] {
  const lasso = selection.lasso === null ? [] : [selection.lasso.x, selection.lasso.y];
  return [...new Set([...lasso, ...selection.ranges.map((range) => range.column)])];
}

/** The selection with that range in place of the column's old one; null takes it away. */
export function withRange(selection: Selection, column: string, range: readonly [number, number] | null): Selection {
  const others = selection.ranges.filter((old) => old.column !== column);
  return { ...selection, ranges: range === null ? others : [...others, { column, low: Math.min(...range), high: Math.max(...range) }] };
}

/**
 * One byte a row, 1 where it is selected; null where nothing is selected at all, or where a column is not there yet.
 *
 * A row without a value in a column that a rule names is not selected.
 */
export function selectedRows(table: Table, selection: Selection): Uint8Array | null {
  if (isEmpty(selection) || selectionColumns(selection).some((name) => table.numbers(name) === null)) return null;
  const mask = new Uint8Array(table.rows).fill(1);
  for (const { column, low, high } of selection.ranges) {
    const values = table.numbers(column)!;
    for (let i = 0; i < mask.length; i += 1) {
      if (!(values[i]! >= low && values[i]! <= high)) mask[i] = 0;
    }
  }
  const { lasso } = selection;
  if (lasso !== null) {
    const x = table.numbers(lasso.x)!;
    const y = table.numbers(lasso.y)!;
    const inside = insideTest(lasso);
    for (let i = 0; i < mask.length; i += 1) {
      if (mask[i] === 1 && !inside(x[i]!, y[i]!)) mask[i] = 0;
    }
  }
  return mask;
}

export function countSelected(mask: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < mask.length; i += 1) count += mask[i]!;
  return count;
}

/** Digits that tell apart what a screen can: a vertex is a pixel, and an address should stay short. */
function short(value: number): string {
  return String(Number(value.toPrecision(7)));
}

export function formatSelection(selection: Selection, query: URLSearchParams): void {
  for (const { column, low, high } of selection.ranges) query.append("range", `${column}:${String(low)}:${String(high)}`);
  const { lasso } = selection;
  if (lasso === null) return;
  const points = lasso.polygon.map(([x, y]) => `${short(x)},${short(y)}`).join(":");
  query.set("lasso", `${lasso.x},${lasso.xKind},${lasso.y},${lasso.yKind}:${points}`);
}

export function parseSelection(query: URLSearchParams): Selection {
  const ranges = query.getAll("range").flatMap((text): Range[] => {
    const match = /^([\w.]+):([^:]+):([^:]+)$/.exec(text);
    const [low, high] = [Number(match?.[2]), Number(match?.[3])];
    return match === null || Number.isNaN(low) || Number.isNaN(high) ? [] : [{ column: match[1]!, low, high }];
  });
  return { lasso: parseLasso(query.get("lasso")), ranges };
}

function parseLasso(text: string | null): Lasso | null {
  if (text === null) return null;
  const [axes = "", ...points] = text.split(":");
  const match = /^([\w.]+),(log|linear),([\w.]+),(log|linear)$/.exec(axes);
  const polygon = points.map((point) => point.split(",").map(Number) as [number, number]);
  if (match === null || polygon.length < 3 || polygon.some((point) => point.length !== 2 || point.some(Number.isNaN))) return null;
  return { x: match[1]!, xKind: match[2] as Lasso["xKind"], y: match[3]!, yKind: match[4] as Lasso["yKind"], polygon };
}
