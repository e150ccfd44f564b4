import { describe, expect, test } from "vitest";
import {
  columnDecimals,
  formatAge,
  formatApart,
  formatDuration,
  formatFixed,
  formatLargeCount,
  formatNumber,
  formatQuantity,
  MISSING,
  unitScale,
} from "./units";

describe("formatQuantity", () => {
  test.each([
    [0.00694, "s", "6.94 ms"],
    [1.65, "s", "1.65 s"],
    [12.3456e-6, "s", "12.35 µs"],
    [0.0099999, "s", "10 ms"],
    [0.99999, "s", "1 s"],
    [123.4, "s", "123.4 s"],
    [0.413, "J", "413 mJ"],
    [57.66, "W", "57.66 W"],
    [4.6e11, "B/s", "460 GB/s"],
    [620_800_000, "B", "620.8 MB"],
    [304, "MHz", "304 MHz"],
    [155.7, "tokens/s", "155.7 tokens/s"],
    [2617, "1", "2,617"],
    [0, "s", "0 s"],
  ])("%d %s reads %s", (value, unit, text) => {
    expect(formatQuantity(value, unit)).toBe(text);
  });

  test("a fraction is a percentage", () => {
    expect(formatQuantity(0.4812, "1", "fraction")).toBe("48.12 %");
  });

  test("a missing number is a dash, never zero", () => {
    expect(formatQuantity(null, "s")).toBe(MISSING);
    expect(formatQuantity(undefined, "s")).toBe(MISSING);
    expect(formatQuantity(Number.NaN, "s")).toBe(MISSING);
  });
});

test("a number keeps four significant digits and no exponent in between", () => {
  expect(formatNumber(123456)).toBe("123,500");
  expect(formatNumber(0.00012346)).toBe("0.0001235");
  expect(formatNumber(1.5e12)).toBe("1.500e+12");
});

test("a column has one unit, chosen by its largest value", () => {
  expect(unitScale("s", [0.0007, 0.02])).toEqual({ factor: 1000, unit: "ms" });
  expect(unitScale("s", [0.5, 2])).toEqual({ factor: 1, unit: "s" });
  expect(unitScale("B/s", [Number.NaN, 2e9]).unit).toBe("GB/s");
});

test("decimals of a column make its decimal points line up", () => {
  expect(columnDecimals([6.94, 11.97])).toBe(2);
  expect(columnDecimals([8, 16])).toBe(0);
  expect(columnDecimals([0.0421, Number.NaN])).toBe(4);
  expect(formatFixed(1234.5, 2)).toBe("1,234.50");
});

test("large spaces are powers of ten", () => {
  expect(formatLargeCount(4_280_000)).toBe("4,280,000");
  expect(formatLargeCount(3.8e13)).toBe("3.8 × 10¹³");
  expect(formatLargeCount(9.999e12)).toBe("1 × 10¹³");
});

test("durations", () => {
  expect(formatDuration(0.25)).toBe("250 ms");
  expect(formatDuration(59.94)).toBe("59.9 s");
  expect(formatDuration(245)).toBe("4 min 05 s");
  expect(formatDuration(7980)).toBe("2 h 13 min");
  expect(formatDuration(null)).toBe(MISSING);
});

test("ages", () => {
  const now = Date.parse("2026-05-01T12:00:00Z");
  expect(formatAge("2026-05-01T11:59:57Z", now)).toBe("just now");
  expect(formatAge("2026-05-01T11:56:00Z", now)).toBe("4 min ago");
  expect(formatAge("2026-04-01T11:56:00Z", now)).toBe("2026-04-01");
});

test("the ends of a range are told apart", () => {
  expect(formatApart(2.628936, 2.628976, 3)).toEqual(["2.6289", "2.629"]);
  expect(formatApart(1, 2)).toEqual(["1", "2"]);
  expect(formatApart(3, 3)).toEqual(["3", "3"]);
});
