import { expect, test } from "vitest";
import { parallelFigure, rowsToDraw } from "./parallel";

const columns = [
  { name: "ttft_s", label: "TTFT", unit: "s", factor: 1, values: Float64Array.of(1, 2), sense: "min" },
  { name: "rate", label: "Rate", unit: "", factor: 1, values: Float64Array.of(1, 100), sense: "max" },
  { name: "same", label: "Same", unit: "", factor: 1, values: Float64Array.of(3, 3), sense: null },
  { name: "none", label: "None", unit: "", factor: 1, values: Float64Array.of(Number.NaN, Number.NaN), sense: null },
] as const;

test("better is up on every axis, unless it is turned around", () => {
  const { axes, top, bottom } = parallelFigure(columns, new Set(), 600, 300);
  expect(axes.map((axis) => axis.name)).toEqual(["ttft_s", "rate"]);
  expect(axes[0]!.scale.toPixel(1)).toBe(top);
  expect(axes[1]!.scale.toPixel(100)).toBeCloseTo(top);
  expect(axes[1]!.kind).toBe("log");
  expect(parallelFigure(columns, new Set(["ttft_s"]), 600, 300).axes[0]!.scale.toPixel(1)).toBe(bottom);
});

test("lines are thinned evenly, the chosen apart from the rest", () => {
  const mask = Uint8Array.from({ length: 100 }, (_, i) => (i < 10 ? 1 : 0));
  const { plain, chosen } = rowsToDraw(100, mask, 30);
  expect(chosen).toHaveLength(10);
  expect(plain).toHaveLength(30);
  expect(rowsToDraw(5, null, 30)).toEqual({ plain: [], chosen: [0, 1, 2, 3, 4] });
});
