/** Tables of one exploration: the front and every design that was priced. */
import type { Table } from "../domain/table";
import { type ArrowAnswer, getTable } from "./arrow";

function path(id: string, what: string): string {
  return `/api/v1/explorations/${encodeURIComponent(id)}/${what}`;
}

/** The front with all its columns: index, key, every metric, every parameter. */
export async function getFrontTable(id: string): Promise<ArrowAnswer> {
  return getTable(path(id, "front"), { format: "arrow" });
}

/** `sample` rows drawn by chance (the same for every call), or all of them. */
export function getEvaluations(id: string, columns: readonly string[], sample: number | null, signal?: AbortSignal): Promise<ArrowAnswer> {
  return getTable(path(id, "evaluations"), { columns: columns.join(","), ...(sample === null ? {} : { sample: String(sample) }) }, signal);
}

/** Every column of the designs that meet all of `where`, with `row`, their place in the whole table. */
export async function getWholeRows(id: string, where: readonly string[]): Promise<Table> {
  // One row says what the columns are called.
  const { table } = await getTable(path(id, "evaluations"), { sample: "1" });
  return (await getTable(path(id, "evaluations"), { columns: ["row", ...table.columns].join(","), where })).table;
}

/** Link to the table in a format that other programs read. */
export function tableHref(id: string, what: "front" | "evaluations", format: "csv" | "parquet" | "arrow"): string {
  return `${path(id, what)}?format=${format}`;
}
