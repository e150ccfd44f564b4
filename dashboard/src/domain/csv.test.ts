import { expect, test } from "vitest";
import { tableCsv } from "./csv";
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
});
