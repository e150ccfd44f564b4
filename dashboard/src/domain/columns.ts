/** The front as columns: one array per metric, NaN where a value is missing. */
import type { Front } from "./documents";
import type { Table } from "./table";

export type Columns = ReadonlyMap<string, Float64Array>;

/** A front: what holds for all of it, and its designs as a table (index, key, metrics, parameters by dotted name). */
export interface FrontView {
  readonly head: Omit<Front, "entries">;
  readonly table: Table;
}

/** The metrics of which at least one design has a value. */
export function frontColumns({ head, table }: FrontView): Columns {
  const columns = new Map<string, Float64Array>();
  for (const { name } of head.metrics) {
    const values = Float64Array.from(table.numbers(name) ?? []);
    if (values.some((value) => !Number.isNaN(value))) columns.set(name, values);
  }
  return columns;
}

/** 1 for designs of the front with a limit within the error band of its estimate; null where none has one or nobody said. */
export function undecidedMask({ table }: FrontView): Uint8Array | null {
  const fits = table.names("fit");
  const code = fits?.names.indexOf("within_band") ?? -1;
  return code < 0 ? null : Uint8Array.from(fits!.codes, (one) => Number(one === code));
}

export type Direction = "ascending" | "descending";

/** Row order by one column; rows without a value come last in both directions; ties keep their order. */
export function sortedOrder(values: ArrayLike<number>, direction: Direction): number[] {
  const sign = direction === "ascending" ? 1 : -1;
  return Array.from({ length: values.length }, (_, i) => i).sort((a, b) => {
    const [va, vb] = [values[a]!, values[b]!];
    const missing = Number(Number.isNaN(va)) - Number(Number.isNaN(vb));
    return missing !== 0 ? missing : Number.isNaN(va) ? a - b : sign * (va - vb) || a - b;
  });
}

/** Rows to draw of a long table: those in view and a few around them. */
export function visibleRows(
  total: number,
  scrollTop: number,
  viewHeight: number,
  rowHeight: number,
  around = 8,
): { readonly from: number; readonly to: number } {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - around);
  const to = Math.min(total, Math.ceil((scrollTop + viewHeight) / rowHeight) + around);
  return { from: Math.min(from, Math.max(0, total - 1)), to };
}
