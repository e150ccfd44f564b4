/** The selection as a Parquet file, written here: the server never sees a lasso. Its code loads on demand. */
import { ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import type { Numbers, Table } from "../../domain/table";

/** Rows of a group, as in the server's own files. */
const GROUP = 65_536;

/** `rows` of the table; `pause` is awaited after each group, so that the page goes on. */
export async function tableParquet(table: Table, rows: Int32Array, pause: () => Promise<void>): Promise<ArrayBuffer> {
  const writer = new ByteWriter();
  const groupOf = (part: Int32Array): ColumnSource[] => table.columns.map((name) => columnOf(table, name, part));
  const file = new ParquetWriter({ writer, schema: schemaFromColumnData({ columnData: groupOf(rows.subarray(0, 1)) }) });
  for (let start = 0; start < rows.length; start += GROUP) {
    await file.write({ columnData: groupOf(rows.subarray(start, start + GROUP)), rowGroupSize: GROUP });
    await pause();
  }
  await file.finish();
  return writer.getBuffer();
}

function columnOf(table: Table, name: string, rows: Int32Array): ColumnSource {
  const values = <T>(at: (row: number) => T): T[] => Array.from(rows, at);
  const numbers = table.numbers(name);
  if (numbers === null) return { name, type: "STRING", nullable: true, data: values((row) => table.nameAt(name, row)) };
  if (numbers instanceof Uint8Array) return { name, type: "BOOLEAN", nullable: false, data: values((row) => numbers[row] === 1) };
  if (numbers instanceof Int32Array) return { name, type: "INT32", nullable: false, data: values((row) => numbers[row]!) };
  return { name, type: numbers instanceof Float32Array ? "FLOAT" : "DOUBLE", nullable: true, data: values((row) => valueOf(numbers, row)) };
}

function valueOf(numbers: Numbers, row: number): number | null {
  const value = numbers[row]!;
  return Number.isNaN(value) ? null : value;
}
