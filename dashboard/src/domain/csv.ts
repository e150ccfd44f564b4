/** Tables as text for spreadsheets: RFC 4180, dots as decimal points, an empty field where a value is missing. */
import type { Table } from "./table";

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The rows whose mask is 1 (all where it is null), with a line of names first. */
export function tableCsv(table: Table, mask: Uint8Array | null): string {
  const columns = table.columns.map((name) => {
    const numbers = table.numbers(name);
    if (numbers === null) return (row: number) => field(table.nameAt(name, row) ?? "");
    // Flags read as in the server's own files.
    return numbers instanceof Uint8Array
      ? (row: number) => (numbers[row] === 1 ? "true" : "false")
      : (row: number) => (Number.isNaN(numbers[row]!) ? "" : String(numbers[row]!));
  });
  const lines = [table.columns.map(field).join(",")];
  for (let row = 0; row < table.rows; row += 1) {
    if (mask === null || mask[row] === 1) lines.push(columns.map((text) => text(row)).join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}
