import { expect, test } from "vitest";
import { sortedOrder, visibleRows } from "./columns";

test("rows without a value come last in both directions", () => {
  const values = [3, Number.NaN, 1, 2];
  expect(sortedOrder(values, "ascending")).toEqual([2, 3, 0, 1]);
  expect(sortedOrder(values, "descending")).toEqual([0, 3, 2, 1]);
});

test("ties keep their order", () => {
  expect(sortedOrder([1, 1, 1], "descending")).toEqual([0, 1, 2]);
});

test("only rows in view are drawn", () => {
  expect(visibleRows(10_000, 2700, 270, 27, 5)).toEqual({ from: 95, to: 115 });
  expect(visibleRows(3, 0, 270, 27)).toEqual({ from: 0, to: 3 });
  expect(visibleRows(0, 0, 270, 27)).toEqual({ from: 0, to: 0 });
});
