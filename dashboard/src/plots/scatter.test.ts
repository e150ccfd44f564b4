import { describe, expect, test } from "vitest";
import { type Column, colourScaleOf, labelPlaces, nearestPoint, neighbour, scatterFigure, type ScatterInput, toneOf } from "./scatter";

function column(values: number[], sense: "min" | "max" = "min"): Column {
  return { values: Float64Array.from(values), label: "metric", unit: "s", factor: 1, sense };
}

function input(x: number[], y: number[], change: Partial<ScatterInput> = {}): ScatterInput {
  return { x: column(x), y: column(y), colour: null, xKind: "linear", yKind: "linear", references: [], width: 600, height: 400, ...change };
}

describe("scatterFigure", () => {
  test("puts all points and reference designs inside the frame", () => {
    const figure = scatterFigure(input([1, 2, 3], [3, 2, 1], { references: [{ label: "published", x: 9, y: 0.5 }] }))!;
    const inside = (x: number, y: number): boolean =>
      x >= figure.plot.left && x <= figure.plot.right && y >= figure.plot.top && y <= figure.plot.bottom;
    for (let i = 0; i < 3; i += 1) expect(inside(figure.px[i]!, figure.py[i]!)).toBe(true);
    expect(inside(figure.references[0]!.px, figure.references[0]!.py)).toBe(true);
  });

  test("counts the points that a log axis or a missing value hides", () => {
    const figure = scatterFigure(input([1, 0, Number.NaN, 4], [1, 2, 3, 4], { xKind: "log" }))!;
    expect(figure.hidden).toBe(2);
    expect(Number.isNaN(figure.px[1]!)).toBe(true);
    expect(figure.front).toEqual([0]);
  });

  test("has no figure without a point to show", () => {
    expect(scatterFigure(input([], []))).toBeNull();
    expect(scatterFigure(input([Number.NaN], [1]))).toBeNull();
  });
});

test("the point under the pointer; one on the front wins a near tie", () => {
  const figure = scatterFigure(input([1, 2, 3], [3, 2, 1]))!;
  expect(nearestPoint(figure, figure.px[1]! + 3, figure.py[1]! - 2, 12)).toBe(1);
  expect(nearestPoint(figure, figure.px[1]! + 40, figure.py[1]!, 12)).toBe(-1);
});

test("arrow keys step from left to right and stop at the ends", () => {
  const figure = scatterFigure(input([3, 1, 2], [1, 2, 3]))!;
  expect(neighbour(figure, -1, 1)).toBe(1);
  expect(neighbour(figure, 1, 1)).toBe(2);
  expect(neighbour(figure, 2, 1)).toBe(0);
  expect(neighbour(figure, 0, 1)).toBe(0);
  expect(neighbour(figure, -1, -1)).toBe(0);
});

test("colour is logarithmic where values span more than a factor of 20", () => {
  expect(colourScaleOf(Float64Array.of(1, 100))).toEqual({ low: 1, high: 100, log: true });
  expect(colourScaleOf(Float64Array.of(0, 100))?.log).toBe(false);
  expect(toneOf({ low: 1, high: 100, log: true }, 10)).toBeCloseTo(0.5, 12);
  expect(toneOf({ low: 2, high: 2, log: false }, 2)).toBe(0.5);
  // One value, in single and in double precision.
  expect(toneOf({ low: 0.4183, high: Math.fround(0.4183), log: false }, 0.4183)).toBe(0.5);
  expect(toneOf({ low: 0.4183, high: 0.4184, log: false }, 0.4183)).toBe(0);
});

test("labels lie on no other label and on no other mark, and within the plot", () => {
  const plot = { left: 0, right: 600, top: 0, bottom: 300 };
  const marks = [
    { px: 100, py: 50, label: "flexllm-u280" },
    { px: 112, py: 51, label: "flexllm-u280-hmt" },
    { px: 110, py: 49, label: "third" },
    { px: 595, py: 299, label: "at the edge" },
    { px: 300, py: 150, label: "alone" },
  ];
  const places = labelPlaces(marks, plot);
  const boxes = places.map(({ x, y, anchor }, i) => {
    const width = marks[i]!.label.length * 6.3;
    const left = anchor === "start" ? x : x - width;
    return { left, right: left + width, top: y - 10.5, bottom: y + 2.5 };
  });
  const meet = (a: (typeof boxes)[0], b: (typeof boxes)[0]): boolean => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  boxes.forEach((box, i) => {
    expect(box.left >= plot.left && box.right <= plot.right && box.bottom <= plot.bottom).toBe(true);
    for (let k = 0; k < i; k += 1) expect(meet(box, boxes[k]!)).toBe(false);
    marks.forEach((mark, k) => {
      if (k !== i) expect(meet(box, { left: mark.px - 7, right: mark.px + 7, top: mark.py - 7, bottom: mark.py + 7 })).toBe(false);
    });
  });
  expect(places[3]!.anchor).toBe("end");
  expect(places[4]).toEqual({ x: 311, y: 154, anchor: "start" });
});

test("a label gives way to the points of the front", () => {
  const plot = { left: 0, right: 600, top: 0, bottom: 300 };
  const points = { px: Float32Array.from({ length: 60 }, (_, i) => 10 * i), py: new Float32Array(60).fill(150) };
  const [place] = labelPlaces([{ px: 300, py: 150, label: "flexllm-u280" }], plot, points);
  expect(Math.abs(place!.y - 4 - 150)).toBeGreaterThan(10);
  expect(Math.abs(place!.y - 4 - 150)).toBeLessThan(30);
});
