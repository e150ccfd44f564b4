import { expect, test } from "vitest";
import { type FrontView, sortedOrder, undecidedMask, visibleRows } from "./columns";
import { Table } from "./table";

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

test("designs with a limit within the error band are marked, where the front says which", () => {
  const front = (names: string[], codes: number[]): FrontView => ({ head: {} as FrontView["head"], table: new Table(codes.length, [["fit", { names, codes: Int32Array.from(codes) }]]) });
  expect(undecidedMask(front(["fits", "within_band"], [0, 1, -1, 1]))).toEqual(Uint8Array.from([0, 1, 0, 1]));
  expect(undecidedMask(front(["fits"], [0, 0]))).toBeNull();
  expect(undecidedMask({ ...front([], []), table: new Table(3, []) })).toBeNull();
});
