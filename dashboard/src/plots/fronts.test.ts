import { expect, test } from "vitest";
import { frontsFigure } from "./fronts";

const PLOT = { left: 0, right: 100, top: 0, bottom: 100 };

test("both fronts share the axes; designs without a value are left out", () => {
  const figure = frontsFigure(
    [
      { x: [1, 2, 3], y: [3, 2, Number.NaN] },
      { x: [2, 4], y: [1, 5] },
    ],
    "min",
    "min",
    PLOT,
  )!;
  expect(figure.fronts.map((front) => front.points.length)).toEqual([2, 2]);
  expect(figure.x.kind).toBe("linear");
  // The same value of either front is at the same place.
  expect(figure.fronts[0]!.points[1]![0]).toBeCloseTo(figure.fronts[1]!.points[0]![0]);
  // 4, 5 is beaten by 2, 1: the second front's line is that one point.
  expect(figure.fronts[1]!.line).toMatch(/^M[\d.]+ [\d.]+$/);
  expect(figure.fronts[0]!.line).toMatch(/^M.*L.*L/);
});

test("a wide range is logarithmic, no value no figure", () => {
  expect(frontsFigure([{ x: [1, 100], y: [1, 2] }], "min", "max", PLOT)!.x.kind).toBe("log");
  expect(frontsFigure([{ x: [Number.NaN], y: [1] }], "min", "min", PLOT)).toBeNull();
});
