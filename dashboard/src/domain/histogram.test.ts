import { expect, test } from "vitest";
import { countNames, histogram } from "./histogram";

test("every value is in the bin between its edges", () => {
  const values = Float64Array.from({ length: 500 }, (_, i) => 0.001 * 1.03 ** i);
  const made = histogram(values, 20)!;
  expect(made.kind).toBe("log");
  made.all.forEach((count, bin) => {
    const last = bin === 19;
    const within = values.filter((value) => value >= made.edges[bin]! * (1 - 1e-12) && (last || value < made.edges[bin + 1]! * (1 - 1e-12)));
    expect(count).toBe(within.length);
  });
  expect(made.all.reduce((a, b) => a + b)).toBe(500);
});

test("counts the selected among the kept, and says how many have no value", () => {
  const made = histogram(Float32Array.of(0, 1, 2, 3, Number.NaN, 9), 3, Uint8Array.of(1, 1, 1, 1, 1, 0), Uint8Array.of(0, 1, 1, 0, 1, 1))!;
  expect(made).toMatchObject({ kind: "linear", domain: [0, 3], all: [1, 1, 2], selected: [0, 1, 1], missing: 1 });
});

test("one value has one bin, none has none", () => {
  expect(histogram([4, 4], 10)).toMatchObject({ all: [2], edges: [4, 4] });
  expect(histogram([Number.NaN], 10)).toBeNull();
});

test("rules are counted, most frequent first", () => {
  const names = ["dsp", "hbm", "never"];
  expect(countNames(Int32Array.of(0, 1, 1, -1), names)).toEqual([{ name: "hbm", count: 2 }, { name: "dsp", count: 1 }]);
  expect(countNames(Int32Array.of(0, 1, 1, -1), names, Uint8Array.of(1, 0, 1, 1))).toEqual([{ name: "dsp", count: 1 }, { name: "hbm", count: 1 }]);
});
