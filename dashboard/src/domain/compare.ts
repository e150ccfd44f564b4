/** Designs side by side: rows of metrics and parameters, those that differ first. */
import { formatCount, formatNumber } from "./units";

export type Compared = number | string | null;

export interface CompareRow {
  readonly name: string;
  readonly title: string;
  readonly definition: string;
  readonly values: readonly Compared[];
  /** As shown, with their units; null where there is no value. */
  readonly texts: readonly (string | null)[];
  /** Why a value is missing. */
  readonly reason: string | undefined;
  readonly differs: boolean;
  /** Largest relative distance between two values; 0 where one is missing or no number. */
  readonly spread: number;
  /** Place of the best value; -1 where none is. */
  readonly best: number;
}

export interface RowOptions {
  readonly title?: string;
  readonly definition?: string;
  readonly format?: (value: number) => string;
  /** Which way is better; null where neither is, or where the values are of different tasks. */
  readonly sense?: "min" | "max" | null;
  readonly reason?: string;
}

export function compareRow(name: string, values: readonly (Compared | undefined)[], options: RowOptions = {}): CompareRow {
  const { title = name.replaceAll("_", " ").replaceAll(".", " · "), definition = "", format = plain, sense = null, reason } = options;
  const known = values.map((value) => value ?? null);
  const numbers = known.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const isNumeric = numbers.length === known.length && numbers.length > 0;
  const largest = Math.max(...numbers.map(Math.abs), 0);
  const spread = isNumeric && largest > 0 ? (Math.max(...numbers) - Math.min(...numbers)) / largest : 0;
  return {
    name,
    title,
    definition,
    values: known,
    texts: known.map((value) => (typeof value === "number" ? format(value) : value)),
    reason,
    differs: known.some((value) => value !== known[0]),
    spread,
    best: sense === null ? -1 : seenBest(known, known.map((value) => (typeof value === "number" ? format(value) : value)), sense),
  };
}

/** The best value, where it also looks better than the others. */
function seenBest(values: readonly Compared[], texts: readonly (string | null)[], sense: "min" | "max"): number {
  const best = bestOf(values, sense);
  return texts.filter((text) => text === texts[best]).length > 1 ? -1 : best;
}

/** A whole number to its last digit, another to four. */
function plain(value: number): string {
  return Number.isInteger(value) ? formatCount(value) : formatNumber(value);
}

/** Rows that differ, widest apart first; then the equal ones in their order. */
export function differencesFirst(rows: readonly CompareRow[]): CompareRow[] {
  return [...rows].sort((a, b) => Number(b.differs) - Number(a.differs) || b.spread - a.spread);
}

/** Place of the best value; -1 where all are alike or none is there. */
export function bestOf(values: readonly Compared[], sense: "min" | "max"): number {
  let best = -1;
  values.forEach((value, i) => {
    if (typeof value !== "number" || Number.isNaN(value)) return;
    const champion = best < 0 ? null : (values[best] as number);
    if (champion === null || (sense === "min" ? value < champion : value > champion)) best = i;
  });
  return best >= 0 && values.some((value) => typeof value === "number" && value !== values[best]) ? best : -1;
}

/** The numbers and names of a design document by dotted name. */
export function flatDesign(design: Readonly<Record<string, unknown>>, prefix = ""): Map<string, number | string> {
  const flat = new Map<string, number | string>();
  for (const [key, value] of Object.entries(design)) {
    const name = prefix === "" ? key : `${prefix}.${key}`;
    if (typeof value === "number" || typeof value === "string") flat.set(name, value);
    else if (typeof value === "boolean") flat.set(name, String(value));
    else if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [inner, leaf] of flatDesign(value as Record<string, unknown>, name)) flat.set(inner, leaf);
    }
  }
  return flat;
}
