/** Tables of the server as Arrow IPC streams: columns as they lie in memory, no rows of JSON. */
import { type Column, type ExtractionOptions, Precision, tableFromIPC, Type } from "@uwdata/flechette";
import { type Names, type Numbers, Table } from "../domain/table";
import { toProblem } from "../domain/problem";
import { ApiError, ConnectionError, refused } from "./client";

const ARROW = "application/vnd.apache.arrow.stream";
const OPTIONS: ExtractionOptions = { useBigInt: false };

export interface ArrowAnswer {
  readonly table: Table;
  readonly metadata: ReadonlyMap<string, string>;
  readonly bytes: number;
}

/** GET of a route that answers with a table. */
export async function getTable(path: string, query: Readonly<Record<string, string | readonly string[]>>, signal?: AbortSignal): Promise<ArrowAnswer> {
  let response: Response;
  let body: ArrayBuffer;
  try {
    const parameters = Object.entries(query).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : value.map((one) => [name, one])));
    response = await fetch(`${path}?${new URLSearchParams(parameters).toString()}`, {
      headers: { Accept: `${ARROW}, application/problem+json` },
      ...(signal === undefined ? {} : { signal }),
    });
    body = await response.arrayBuffer();
  } catch (error) {
    throw new ConnectionError(error);
  }
  if (!response.ok) throw refusal(body, response.status);
  return { ...decodeTable(new Uint8Array(body)), bytes: body.byteLength };
}

function refusal(body: ArrayBuffer, status: number): Error {
  let problem: unknown = null;
  try {
    problem = JSON.parse(new TextDecoder().decode(body));
  } catch {
    // a body that is no JSON says nothing more than its status
  }
  return refused(new ApiError(toProblem(problem, status)));
}

export function decodeTable(bytes: Uint8Array): Omit<ArrowAnswer, "bytes"> {
  const arrow = tableFromIPC(bytes, OPTIONS);
  const columns = arrow.schema.fields.map((field): [string, Numbers | Names] => [field.name, toColumn(arrow.getChild(field.name)!, arrow.numRows)]);
  return { table: new Table(arrow.numRows, columns), metadata: arrow.schema.metadata ?? new Map() };
}

interface Part {
  readonly length: number;
  readonly nullCount: number;
  /** One bit a row, set where there is a value. */
  readonly validity: Uint8Array;
  readonly values?: ArrayLike<number>;
  at(row: number): unknown;
}

function bit(bits: Uint8Array, at: number): number {
  return (bits[at >> 3]! >> (at & 7)) & 1;
}

function toColumn(column: Column<unknown>, rows: number): Numbers | Names {
  const parts = column.data as unknown as readonly Part[];
  const { typeId } = column.type;
  if (typeId === Type.Dictionary || typeId === Type.Utf8 || typeId === Type.LargeUtf8) return toNames(parts, typeId === Type.Dictionary, rows);
  if (typeId === Type.Bool) return toFlags(parts, rows);
  if (typeId === Type.Null) return new Float64Array(rows).fill(Number.NaN); // no row has a value
  return toNumbers(parts, numbersFor(column, rows));
}

/** An array that holds every value of the column exactly, and NaN where it has gaps. */
function numbersFor(column: Column<unknown>, rows: number): Numbers {
  const { typeId, precision, bitWidth } = column.type as { typeId: number; precision?: number; bitWidth?: number };
  if (typeId === Type.Float) return precision === Precision.DOUBLE ? new Float64Array(rows) : new Float32Array(rows);
  return typeId === Type.Int && bitWidth !== 64 && column.nullCount === 0 ? new Int32Array(rows) : new Float64Array(rows);
}

function toNumbers(parts: readonly Part[], numbers: Numbers): Numbers {
  let row = 0;
  for (const part of parts) {
    const values = part.values!;
    for (let i = 0; i < part.length; i += 1) numbers[row + i] = Number(values[i]);
    if (part.nullCount > 0) {
      for (let i = 0; i < part.length; i += 1) if (bit(part.validity, i) === 0) numbers[row + i] = Number.NaN;
    }
    row += part.length;
  }
  return numbers;
}

function toFlags(parts: readonly Part[], rows: number): Uint8Array {
  const flags = new Uint8Array(rows);
  let row = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 1) flags[row + i] = bit(part.values as Uint8Array, i);
    row += part.length;
  }
  return flags;
}

function toNames(parts: readonly Part[], isDictionary: boolean, rows: number): Names {
  const codes = new Int32Array(rows).fill(-1);
  const names: string[] = [];
  const known = new Map<string, number>();
  let row = 0;
  for (const part of parts) {
    // Each entry of a dictionary is looked up once a part, not once a row.
    const codeOfKey = new Map<number, number>();
    for (let i = 0; i < part.length; i += 1, row += 1) {
      if (part.nullCount > 0 && bit(part.validity, i) === 0) continue;
      const key = isDictionary ? part.values![i]! : -1;
      let code = codeOfKey.get(key);
      if (code === undefined) {
        code = codeOfName(String(part.at(i)), names, known);
        if (isDictionary) codeOfKey.set(key, code);
      }
      codes[row] = code;
    }
  }
  return { codes, names };
}

function codeOfName(name: string, names: string[], known: Map<string, number>): number {
  let code = known.get(name);
  if (code === undefined) {
    code = names.push(name) - 1;
    known.set(name, code);
  }
  return code;
}
