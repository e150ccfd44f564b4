import { describe, expect, test } from "vitest";
import { agreementFigure, residualFigure } from "./agreement";

describe("figures", () => {
  const plot = { left: 0, right: 100, top: 0, bottom: 100 };

  test("equal values lie on the diagonal, a model that is too high to its right", () => {
    const figure = agreementFigure([{ predicted: 50, measured: 50 }, { predicted: 200, measured: 100 }], plot)!;
    const [equal, high] = figure.points;
    expect(equal![0]).toBeCloseTo(100 - equal![1]);
    expect(high![0]).toBeGreaterThan(100 - high![1]);
    expect(figure.x.domain).toEqual(figure.y.domain);
    expect(agreementFigure([], plot)).toBeNull();
  });

  test("residuals share one symmetric axis", () => {
    const figure = residualFigure([{ residuals: [-0.2, 0.1], bias: -0.05 }], 0, 100);
    expect(figure.zero).toBeCloseTo(50);
    const [low, high] = figure.rows[0]!.dots;
    expect(50 - low!.x).toBeCloseTo(2 * (high!.x - 50));
  });
});
