import { expect, test } from "vitest";
import { chosenRows, tableCsv } from "./csv";
import { recordOf, shortest } from "./rows";
import { Table } from "./table";

test("a flag is a word, and the rule stands beside it", () => {
  const table = new Table(2, [
    ["feasible", Uint8Array.of(1, 0)],
    ["violated", { codes: Int32Array.of(-1, 0), names: ["hbm_capacity"] }],
  ]);
  expect(tableCsv(table, null)).toBe("feasible,violated\r\ntrue,\r\nfalse,hbm_capacity\r\n");
});

test("a table as text: quotes, gaps, only the chosen rows", () => {
  const table = new Table(3, [
    ["key", { codes: Int32Array.of(0, 1, -1), names: ['a "b", c', "plain"] }],
    ["ttft_s", Float64Array.of(0.1, Number.NaN, 3e-9)],
  ]);
  expect(tableCsv(table, null)).toBe('key,ttft_s\r\n"a ""b"", c",0.1\r\nplain,\r\n,3e-9\r\n');
  expect(tableCsv(table, Uint8Array.of(0, 1, 0))).toBe("key,ttft_s\r\nplain,\r\n");
  expect([...chosenRows(table, Uint8Array.of(1, 0, 1))]).toEqual([0, 2]);
});

test("a number of 32 bits has the digits that tell it apart, and no more", () => {
  expect(shortest(Float32Array.of(0.1), 0)).toBe("0.1");
  const bits = new Uint32Array(3000).map((_, i) => (i * 2654435761) >>> 1); // finite, of every size
  const numbers = new Float32Array(bits.buffer).map((value) => (Number.isFinite(value) ? value : 1));
  for (let row = 0; row < numbers.length; row += 1) expect(Math.fround(Number(shortest(numbers, row)))).toBe(numbers[row]);
});

test("a row as a record: nothing is a gap, a flag is a truth", () => {
  const table = new Table(1, [
    ["ttft_s", Float32Array.of(0.1)],
    ["quality", Float64Array.of(Number.NaN)],
    ["feasible", Uint8Array.of(0)],
    ["violated", { codes: Int32Array.of(0), names: ["lut"] }],
    ["quant_scheme.name", { codes: Int32Array.of(-1), names: [] }],
  ]);
  expect(recordOf(table, 0)).toEqual({ ttft_s: 0.1, quality: null, feasible: false, violated: "lut", "quant_scheme.name": null });
});
