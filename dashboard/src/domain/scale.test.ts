import { describe, expect, test } from "vitest";
import { extent, makeScale, niceStep, padded, ticksOf } from "./scale";

test("a scale and its inverse", () => {
  for (const kind of ["linear", "log"] as const) {
    const scale = makeScale(kind, [0.5, 200], [40, 640]);
    expect(scale.toPixel(0.5)).toBeCloseTo(40, 9);
    expect(scale.toPixel(200)).toBeCloseTo(640, 9);
    expect(scale.toValue(scale.toPixel(7))).toBeCloseTo(7, 9);
  }
});

test("extent leaves out what an axis cannot show", () => {
  expect(extent([3, Number.NaN, 1])).toEqual([1, 3]);
  expect(extent([-1, 0, 10, 100], "log")).toEqual([10, 100]);
  expect(extent([Number.NaN])).toBeNull();
});

test("padding keeps quantities that cannot be negative at zero, and gives a single value room", () => {
  expect(padded([0, 10], "linear")[0]).toBe(0);
  expect(padded([5, 5], "linear")).toEqual([2.5, 7.5]);
  expect(padded([5, 5], "log")).toEqual([2.5, 10]);
});

test("steps are 1, 2 or 5 times a power of ten", () => {
  expect(niceStep(10, 5)).toBe(2);
  expect(niceStep(0.7, 7)).toBeCloseTo(0.1, 12);
  expect(niceStep(3000, 4)).toBe(1000);
});

describe("ticks", () => {
  const labels = (kind: "linear" | "log", low: number, high: number, factor = 1): string[] =>
    ticksOf(makeScale(kind, [low, high], [0, 600]), 6, factor)
      .map((tick) => tick.label)
      .filter((label) => label !== "");

  test("linear ones are round and have the same decimals", () => {
    expect(labels("linear", 1.1, 4.6)).toEqual(["1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]);
    expect(labels("linear", -0.1, 0.1)).toContain("0.00");
  });

  test("they are round in the unit shown", () => {
    expect(labels("linear", 0.003, 0.026, 1000)).toEqual(["5", "10", "15", "20", "25"]);
  });

  test("logarithmic ones are at 1, 2 and 5, or decades", () => {
    expect(labels("log", 1, 100)).toEqual(["1", "2", "5", "10", "20", "50", "100"]);
    expect(labels("log", 1, 1e6)).toEqual(["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]);
    expect(labels("log", 0.001, 1)).toEqual(["0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1"]);
  });

  test("less than a decade has enough of them", () => {
    expect(labels("log", 2.1, 6.2).length).toBeGreaterThanOrEqual(3);
  });
});
