/** Tables of one exploration: the front and every design that was priced. */
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

/** Link to the table in a format that other programs read. */
export function tableHref(id: string, what: "front" | "evaluations", format: "csv" | "parquet" | "arrow"): string {
  return `${path(id, what)}?format=${format}`;
}
