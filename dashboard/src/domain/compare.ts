/** Designs side by side: rows of metrics and parameters, those that differ first. */

export interface CompareRow {
  readonly name: string;
  readonly values: readonly (number | string | null)[];
  readonly differs: boolean;
  /** Largest relative distance between two values; 0 where one is missing or no number. */
  readonly spread: number;
}

export function compareRow(name: string, values: readonly (number | string | null | undefined)[]): CompareRow {
  const known = values.map((value) => value ?? null);
  const numbers = known.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const isNumeric = numbers.length === known.length && numbers.length > 0;
  const largest = Math.max(...numbers.map(Math.abs), 0);
  const spread = isNumeric && largest > 0 ? (Math.max(...numbers) - Math.min(...numbers)) / largest : 0;
  return { name, values: known, differs: known.some((value) => value !== known[0]), spread };
}

/** Rows that differ, widest apart first; then the equal ones in their order. */
export function differencesFirst(rows: readonly CompareRow[]): CompareRow[] {
  return [...rows].sort((a, b) => Number(b.differs) - Number(a.differs) || b.spread - a.spread);
}

/** Place of the best value; -1 where all are alike or none is there. */
export function bestOf(values: readonly (number | string | null)[], sense: "min" | "max"): number {
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
