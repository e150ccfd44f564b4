/** Tables as text for spreadsheets: RFC 4180, dots as decimal points, an empty field where a value is missing. */
import { shortest } from "./rows";
import type { Table } from "./table";

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The line of names. */
export function csvHead(table: Table): string {
  return `${table.columns.map(field).join(",")}\r\n`;
}

/** A line for each of these rows. */
export function csvLines(table: Table, rows: ArrayLike<number>): string {
  const columns = table.columns.map((name) => {
    const numbers = table.numbers(name);
    if (numbers === null) return (row: number) => field(table.nameAt(name, row) ?? "");
    // Flags read as in the server's own files.
    return numbers instanceof Uint8Array
      ? (row: number) => (numbers[row] === 1 ? "true" : "false")
      : (row: number) => (Number.isNaN(numbers[row]!) ? "" : shortest(numbers, row));
  });
  let text = "";
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i]!;
    text += `${columns.map((column) => column(row)).join(",")}\r\n`;
  }
  return text;
}

/** The rows whose mask is 1 (all where it is null), with the line of names first. */
export function tableCsv(table: Table, mask: Uint8Array | null): string {
  return csvHead(table) + csvLines(table, chosenRows(table, mask));
}

/** The places of the rows whose mask is 1; of all where it is null. */
export function chosenRows(table: Table, mask: Uint8Array | null): Int32Array {
  if (mask === null) return Int32Array.from({ length: table.rows }, (_, row) => row);
  return Int32Array.from(mask.keys()).filter((row) => mask[row] === 1);
}
