/** Rows of a table as records, and their numbers as short as they are exact. */
import type { Numbers, Table } from "./table";

/** The fewest digits that name the number in the precision that it was sent in. */
export function shortest(numbers: Numbers, row: number): string {
  const value = numbers[row]!;
  if (!(numbers instanceof Float32Array)) return String(value);
  // Seven digits nearly always do, nine always.
  for (let digits = 7; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

/** The row by the names of its columns: flags as booleans, what is missing as null. */
export function recordOf(table: Table, row: number): Record<string, number | string | boolean | null> {
  return Object.fromEntries(
    table.columns.map((name) => {
      const numbers = table.numbers(name);
      if (numbers === null) return [name, table.nameAt(name, row)];
      if (numbers instanceof Uint8Array) return [name, numbers[row] === 1];
      return [name, Number.isNaN(numbers[row]!) ? null : Number(shortest(numbers, row))];
    }),
  );
}
