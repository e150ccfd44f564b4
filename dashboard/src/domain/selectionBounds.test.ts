import { expect, test } from "vitest";
import { selectedRows } from "./selection";
import { selectionBounds } from "./selectionBounds";
import { Table } from "./table";

test("the box holds every selected row, to the last bit of a 32-bit number", () => {
  const ttft = Float32Array.from({ length: 200 }, (_, i) => 0.1 * i);
  const tpot = Float32Array.from({ length: 200 }, (_, i) => 1 / (i + 1));
  const table = new Table(200, [
    ["ttft_s", ttft],
    ["tpot_s", tpot],
  ]);
  const polygon = [[2, 0.001], [9, 0.5], [15, 0.01]] as [number, number][];
  const selection = { lasso: { x: "ttft_s", y: "tpot_s", xKind: "linear", yKind: "log", polygon } as const, ranges: [] };
  const mask = selectedRows(table, selection)!;
  const conditions = selectionBounds(table, mask, selection);
  expect(conditions).toHaveLength(4);
  const holds = (row: number): boolean =>
    conditions.every((text) => {
      const [, name, relation, bound] = /^(\w+)([<>]=)(.+)$/.exec(text)!;
      const value = name === "ttft_s" ? ttft[row]! : tpot[row]!;
      return relation === ">=" ? value >= Number(bound) : value <= Number(bound);
    });
  const selected = [...mask.keys()].filter((row) => mask[row] === 1);
  expect(selected.length).toBeGreaterThan(5);
  for (const row of selected) expect(holds(row)).toBe(true);
  expect(holds(0)).toBe(false);
  expect(holds(199)).toBe(false);
});

test("nothing selected, no condition", () => {
  const table = new Table(2, [["ttft_s", Float32Array.of(1, 2)]]);
  expect(selectionBounds(table, Uint8Array.of(0, 0), { lasso: null, ranges: [{ column: "ttft_s", low: 5, high: 6 }] })).toEqual([]);
});
