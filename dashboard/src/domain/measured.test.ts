import { describe, expect, test } from "vitest";
import { calibrated, type CalibrationTable, filePairs, type Measurement, measurementPair, quantityTitle, residual, residualGroups, toldPairs } from "./measured";

function measurement(part: Partial<Measurement> = {}): Measurement {
  return {
    provenance: "timed_sim",
    device: "u280",
    model_version: "4",
    timing_table_version: "2",
    design_key: "0123456789abcdef",
    stage: "prefill",
    module: null,
    metric: "cycles",
    predicted: 110,
    measured: 100,
    source: "run 1",
    lineage: null,
    ...part,
  };
}

const TABLE = {
  device: "u280",
  entries: [{ provenance: "timed_sim", stage: "prefill", module: null, metric: "latency_s", factor: 0.95, route_factor: null }],
} as unknown as CalibrationTable;

describe("pairs", () => {
  test("a residual is predicted / measured - 1", () => {
    expect(residual(measurementPair(measurement()))).toBeCloseTo(0.1);
    expect(residual(measurementPair(measurement({ predicted: 80 })))).toBeCloseTo(-0.2);
  });

  test("a file is read whole or refused with its place", () => {
    const document = { schema: "flexdse/measurements/v1", measurements: [measurement(), measurement({ stage: "decode" })] };
    expect(filePairs(document, "a.json").map((pair) => pair.stage)).toEqual(["prefill", "decode"]);
    expect(() => filePairs({ schema: "other", measurements: [] }, "a.json")).toThrow(/a\.json is no measurements file/);
    expect(() => filePairs({ ...document, measurements: [measurement(), { ...measurement(), measured: 0 }] }, "a.json")).toThrow(/measurements\[1\]/);
  });

  test("told values without a prediction are left out, and none of them is fitted on", () => {
    const items = [{ id: "1", key: "k", index: 0, provenance: "board" as const, source: "card", metrics: { ttft_s: 2, power_w: 40 }, predicted: { ttft_s: 1, power_w: null }, ratio: {}, created_at: "" }];
    const pairs = toldPairs("u280", { items, mean_ratio: {} });
    expect(pairs.map((pair) => [pair.metric, pair.predicted, pair.measured, pair.fit])).toEqual([["ttft_s", 1, 2, null]]);
    expect(quantityTitle(pairs[0]!)).toBe("Time to first token");
  });

  test("a calibration moves what it has a factor for; cycles and seconds share one", () => {
    const own = measurementPair(measurement());
    const others = [measurement({ stage: "decode" }), measurement({ device: "v80" }), measurement({ provenance: "board" }), measurement({ metric: "dsp" }), measurement({ module: "softmax" })].map(measurementPair);
    expect(calibrated([own, ...others], TABLE).map((pair) => pair.predicted)).toEqual([110 * 0.95, 110, 110, 110, 110, 110]);
  });

  test("residuals are grouped by fidelity and tool, in rising order of fidelity", () => {
    const pairs = [measurement({ provenance: "board", predicted: 90 }), measurement(), measurement({ predicted: 95, design_key: "f".repeat(16) }), measurement({ source: "run 2" })].map(measurementPair);
    const groups = residualGroups(pairs);
    expect(groups.map((group) => [group.fidelity, group.tool, group.designs])).toEqual([
      ["timed_sim", "run 1", 2],
      ["timed_sim", "run 2", 1],
      ["board", "run 1", 1],
    ]);
    expect(groups[0]!.bias).toBeCloseTo(0.025);
    expect(groups[0]!.meanError).toBeCloseTo(0.075);
    expect(groups[0]!.worst).toBeCloseTo(0.1);
  });
});
