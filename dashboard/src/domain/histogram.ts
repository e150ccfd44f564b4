/** How the values of a column spread, and those of the selected rows among them. */
import { extent, type ScaleKind } from "./scale";

export interface Histogram {
  readonly kind: ScaleKind;
  readonly domain: readonly [number, number];
  /** Ends of the bins, one more than there are bins. */
  readonly edges: readonly number[];
  readonly all: readonly number[];
  readonly selected: readonly number[];
  /** Rows without a value. */
  readonly missing: number;
}

/** Logarithmic bins where all values are positive and span more than a factor of 50. */
export function histogram(values: ArrayLike<number>, bins: number, keep: Uint8Array | null = null, mask: Uint8Array | null = null): Histogram | null {
  const range = extent(kept(values, keep));
  if (range === null) return null;
  const [low, high] = range;
  const kind: ScaleKind = low > 0 && high / low > 50 ? "log" : "linear";
  const forward = kind === "log" ? Math.log : (value: number) => value;
  const backward = kind === "log" ? Math.exp : (value: number) => value;
  const from = forward(low);
  const width = forward(high) - from;
  const count = width === 0 ? 1 : bins;
  const edges = Array.from({ length: count + 1 }, (_, i) => (i === 0 ? low : i === count ? high : backward(from + (i / count) * width)));
  const all = new Array<number>(count).fill(0);
  const selected = new Array<number>(count).fill(0);
  let missing = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (keep !== null && keep[i] === 0) continue;
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      missing += 1;
      continue;
    }
    const bin = width === 0 ? 0 : Math.min(count - 1, Math.floor(((forward(value) - from) / width) * count));
    all[bin]! += 1;
    if (mask === null || mask[i] === 1) selected[bin]! += 1;
  }
  return { kind, domain: [low, high], edges, all, selected, missing };
}

function* kept(values: ArrayLike<number>, keep: Uint8Array | null): Generator<number> {
  for (let i = 0; i < values.length; i += 1) if (keep === null || keep[i] === 1) yield values[i]!;
}

/** How many rows break each rule first, most frequent first. */
export function countNames(codes: Int32Array, names: readonly string[], mask: Uint8Array | null = null): { readonly name: string; readonly count: number }[] {
  const counts = new Array<number>(names.length).fill(0);
  for (let i = 0; i < codes.length; i += 1) {
    if (codes[i]! >= 0 && (mask === null || mask[i] === 1)) counts[codes[i]!]! += 1;
  }
  return names
    .map((name, i) => ({ name, count: counts[i]! }))
    .filter((entry) => entry.count > 0)
    .sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
}
