/** The selection as a Parquet file, written here: the server never sees what is selected. Its code loads on demand. */
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Table } from "../../domain/table";

export function tableParquet(table: Table, mask: Uint8Array | null): ArrayBuffer {
  const rows: number[] = [];
  for (let row = 0; row < table.rows; row += 1) if (mask === null || mask[row] === 1) rows.push(row);
  return parquetWriteBuffer({
    columnData: table.columns.map((name) => {
      const numbers = table.numbers(name);
      if (numbers === null) return { name, type: "STRING", nullable: true, data: rows.map((row) => table.nameAt(name, row)) };
      if (name === "feasible") return { name, type: "BOOLEAN", nullable: false, data: rows.map((row) => numbers[row] === 1) };
      if (numbers instanceof Int32Array) return { name, type: "INT32", nullable: false, data: rows.map((row) => numbers[row]!) };
      return { name, type: "DOUBLE", nullable: true, data: rows.map((row) => (Number.isNaN(numbers[row]!) ? null : numbers[row]!)) };
    }),
  });
}
