/** The box around what is selected, as conditions that the server understands: it knows ranges, but no lasso. */
import { type Selection, selectionColumns } from "./selection";
import type { Table } from "./table";

/** What a request may have; the mask decides in the end, so that fewer are only slower. */
const MOST_COLUMNS = 10;

/** Conditions that every selected row meets, and few others; the values are those of the table, so they are exact. */
export function selectionBounds(table: Table, mask: Uint8Array, selection: Selection): string[] {
  return selectionColumns(selection)
    .slice(0, MOST_COLUMNS)
    .flatMap((name) => {
      const values = table.numbers(name);
      let [low, high] = [Infinity, -Infinity];
      for (let row = 0; values !== null && row < mask.length; row += 1) {
        if (mask[row] === 1) [low, high] = [Math.min(low, values[row]!), Math.max(high, values[row]!)];
      }
      return low <= high ? [`${name}>=${low}`, `${name}<=${high}`] : [];
    });
}
