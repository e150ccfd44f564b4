import { describe, expect, test } from "vitest";
import { insideTest, type Lasso, simplified } from "./lasso";
import { countSelected, formatSelection, isEmpty, NO_SELECTION, parseSelection, type Selection, selectedRows, selectionColumns, withRange } from "./selection";
import { Table } from "./table";

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Winding number by angles: another way to the same answer for polygons that do not cross themselves. */
function windsAround(polygon: Lasso["polygon"], x: number, y: number): boolean {
  let turn = 0;
  polygon.forEach(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length]!;
    const angle = Math.atan2(by - y, bx - x) - Math.atan2(ay - y, ax - x);
    turn += angle > Math.PI ? angle - 2 * Math.PI : angle < -Math.PI ? angle + 2 * Math.PI : angle;
  });
  return Math.abs(turn) > Math.PI;
}

describe("the lasso", () => {
  const star: Lasso["polygon"] = Array.from({ length: 14 }, (_, i) => {
    const radius = i % 2 === 0 ? 4 : 1.7;
    return [5 + radius * Math.cos((i * Math.PI) / 7), 5 + radius * Math.sin((i * Math.PI) / 7)] as const;
  });

  test.each([1, 2, 3])("holds what it winds around (seed %i)", (seed) => {
    const inside = insideTest({ x: "a", y: "b", xKind: "linear", yKind: "linear", polygon: star });
    const next = random(seed);
    let within = 0;
    for (let i = 0; i < 4000; i += 1) {
      const [x, y] = [next() * 10, next() * 10];
      expect(inside(x, y), `${x} ${y}`).toBe(windsAround(star, x, y));
      within += Number(inside(x, y));
    }
    expect(within).toBeGreaterThan(400);
  });

  test("has straight edges on the axes that it was drawn on", () => {
    const triangle = { x: "a", y: "b", polygon: [[1, 1], [100, 1], [100, 100]] } as const;
    // The diagonal passes through (10, 10) on both; below it at x = 50 lies y = 49 either way, and (2, 1.9) too.
    expect(insideTest({ ...triangle, xKind: "log", yKind: "log" })(10, 9.9)).toBe(true);
    expect(insideTest({ ...triangle, xKind: "log", yKind: "linear" })(10, 9.9)).toBe(true);
    expect(insideTest({ ...triangle, xKind: "log", yKind: "linear" })(10, 50.4)).toBe(true);
    expect(insideTest({ ...triangle, xKind: "log", yKind: "log" })(10, 50.4)).toBe(false);
  });

  test("leaves out what has no place", () => {
    const square = { x: "a", y: "b", xKind: "log", yKind: "log", polygon: [[1, 1], [9, 1], [9, 9], [1, 9]] } as const;
    expect([Number.NaN, 0, -1].map((x) => insideTest(square)(x, 3))).toEqual([false, false, false]);
  });

  test("keeps the corners that its path needs", () => {
    const path = [...Array.from({ length: 50 }, (_, i) => [i, 0] as const), ...Array.from({ length: 50 }, (_, i) => [49, i] as const)];
    expect(simplified(path, 0.5)).toEqual([[0, 0], [49, 0], [49, 49]]);
  });
});

describe("a selection", () => {
  const table = new Table(5, [
    ["ttft_s", Float32Array.of(1, 2, 3, Number.NaN, 5)],
    ["power_w", Float64Array.of(10, 20, 30, 40, 50)],
  ]);
  const range: Selection = { lasso: null, ranges: [{ column: "ttft_s", low: 2, high: 5 }] };

  test("is every row that meets all rules; one without a value meets none", () => {
    expect(selectedRows(table, range)).toEqual(Uint8Array.of(0, 1, 1, 0, 1));
    const both = withRange(range, "power_w", [45, 15]);
    expect(selectedRows(table, both)).toEqual(Uint8Array.of(0, 1, 1, 0, 0));
    expect(countSelected(selectedRows(table, both)!)).toBe(2);
    const lasso: Lasso = { x: "ttft_s", y: "power_w", xKind: "linear", yKind: "linear", polygon: [[0, 0], [2.5, 0], [2.5, 60], [0, 60]] };
    expect(selectedRows(table, { ...both, lasso })).toEqual(Uint8Array.of(0, 1, 0, 0, 0));
  });

  test("is nothing at all without a rule, or while a column is not there", () => {
    expect(selectedRows(table, NO_SELECTION)).toBeNull();
    expect(selectedRows(table, withRange(NO_SELECTION, "tpot_s", [0, 1]))).toBeNull();
  });

  test("replaces and drops the range of a column", () => {
    expect(withRange(range, "ttft_s", [1, 2]).ranges).toEqual([{ column: "ttft_s", low: 1, high: 2 }]);
    expect(isEmpty(withRange(range, "ttft_s", null))).toBe(true);
    expect(selectionColumns(withRange(range, "power_w", [1, 2]))).toEqual(["ttft_s", "power_w"]);
  });

  test("comes back from an address exactly, ranges to the last digit", () => {
    const selection = withRange(range, "prefill.token_parallelism", [0.1 + 0.2, 1e-17]);
    const query = new URLSearchParams();
    formatSelection(selection, query);
    expect(parseSelection(new URLSearchParams(query.toString()))).toEqual(selection);
  });

  test.each(["lasso=", "lasso=a,log,b:1,2:3,4:5,6", "lasso=a,log,b,linear:1,2:3,4", "lasso=a,log,b,linear:1,2:3,x:5,6", "range=a:1", "range=a:x:2"])(
    "of a broken address (%s) is empty",
    (search) => {
      expect(isEmpty(parseSelection(new URLSearchParams(search)))).toBe(true);
    },
  );
});
