import { describe, expect, test } from "vitest";
import { projectedFront, staircase } from "./pareto";

/** The definition, O(n^2). */
function bruteForce(x: number[], y: number[], sx: 1 | -1, sy: 1 | -1): number[] {
  return x
    .map((_, i) => i)
    .filter((i) => !x.some((_, j) => j !== i && sx * x[j]! <= sx * x[i]! && sy * y[j]! <= sy * y[i]! && (sx * x[j]! < sx * x[i]! || sy * y[j]! < sy * y[i]!)));
}

/** A small generator, so that the points are the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

describe("projectedFront", () => {
  test.each([
    ["min", "min", 1, 1],
    ["max", "min", -1, 1],
    ["min", "max", 1, -1],
    ["max", "max", -1, -1],
  ] as const)("equals the definition (%s, %s)", (senseX, senseY, sx, sy) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const next = random(seed);
      const x = Array.from({ length: 60 }, next);
      const y = Array.from({ length: 60 }, next);
      expect([...projectedFront(x, y, senseX, senseY)].sort((a, b) => a - b)).toEqual(bruteForce(x, y, sx, sy));
    }
  });

  test("is ordered by x", () => {
    const x = [3, 1, 2];
    expect(projectedFront(x, [1, 3, 2]).map((i) => x[i])).toEqual([1, 2, 3]);
    expect(projectedFront(x, [3, 1, 2], "max", "max").map((i) => x[i])).toEqual([3]);
  });

  test("leaves out missing values and keeps one of two equal points", () => {
    expect(projectedFront([1, Number.NaN, 1], [1, 0, 1])).toEqual([0]);
    expect(projectedFront([], [])).toEqual([]);
  });
});

test("the staircase has a corner between two points of the front", () => {
  expect(staircase([1, 2], [5, 3], [0, 1])).toEqual([
    [1, 5],
    [2, 5],
    [2, 3],
  ]);
  expect(staircase([1, 2], [5, 3], [0, 1], "max")).toEqual([
    [1, 5],
    [1, 3],
    [2, 3],
  ]);
});
