import { expect, test } from "vitest";
import { bestOf, compareRow, differencesFirst, flatDesign } from "./compare";

test("what differs comes first, the widest apart before the rest", () => {
  const rows = [compareRow("same", [1, 1]), compareRow("near", [10, 11]), compareRow("far", [1, 100]), compareRow("text", ["a", "b"]), compareRow("gap", [1, null])];
  expect(differencesFirst(rows).map((row) => row.name)).toEqual(["far", "near", "text", "gap", "same"]);
});

test("the best is named only where there is a choice", () => {
  expect(bestOf([3, 1, null, 2], "min")).toBe(1);
  expect(bestOf([3, 1, 2], "max")).toBe(0);
  expect(bestOf([2, 2], "min")).toBe(-1);
  expect(bestOf([null, "x"], "min")).toBe(-1);
});

test("a design is flat by dotted names; lists stay out", () => {
  expect([...flatDesign({ a: { b: 1, c: { d: "x" } }, e: true, f: [1], g: null })]).toEqual([["a.b", 1], ["a.c.d", "x"], ["e", "true"]]);
});

test("a whole number is shown to its last digit, and the better value only where the task is the same", () => {
  const row = compareRow("evaluations", [48_864, 1_234_567]);
  expect(row.texts).toEqual(["48,864", "1,234,567"]);
  expect(row.best).toBe(-1);
  expect(compareRow("ttft_s", [2, 1], { sense: "min" }).best).toBe(1);
  expect(compareRow("ttft_s", [2.62901, 2.62902], { sense: "min", format: (value) => value.toFixed(3) }).best).toBe(-1);
  expect(compareRow("decode.block_parallelism", [1, null]).texts).toEqual(["1", null]);
});
