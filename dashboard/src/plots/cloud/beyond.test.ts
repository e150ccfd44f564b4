import { describe, expect, test } from "vitest";
import { beyondAxes, notNegative } from "./beyond";
import { WHOLE } from "./window";

const LINEAR = { kind: "linear", domain: [10, 20] } as const;
const LOG = { kind: "log", domain: [1, 10] } as const;

describe("beyond the axes", () => {
  test("are the rows outside of the spans, and a window has them all", () => {
    const x = Float64Array.of(12, 30, 5, 15, Number.NaN);
    const y = Float64Array.of(2, 2, 2, 1000, 1000);
    const { count, everything } = beyondAxes(x, y, { x: LINEAR, y: LOG });
    expect(count).toBe(3);
    expect(everything.x0).toBeLessThan(-0.5);
    expect(everything.x1).toBeGreaterThan(2);
    expect(everything.y0).toBe(0);
    expect(everything.y1).toBeGreaterThan(3);
  });

  test("where nothing is, the whole is everything", () => {
    expect(beyondAxes(Float64Array.of(10, 20), Float64Array.of(1, 10), { x: LINEAR, y: LOG })).toEqual({ count: 0, everything: WHOLE });
  });
});

test("axes of what is never negative stay above 0, however far one zooms out", () => {
  const spans = { x: LINEAR, y: LOG };
  const window = notNegative({ x0: -1.5, x1: 2.5, y0: -1.5, y1: 2.5 }, spans);
  expect(window).toEqual({ x0: -1, x1: 3, y0: -1.5, y1: 2.5 });
  const signed = { kind: "linear", domain: [-5, 5] } as const;
  expect(notNegative({ x0: -1, x1: 2, y0: 0, y1: 1 }, { x: signed, y: LINEAR }).x0).toBe(-1);
});
