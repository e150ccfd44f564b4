import { expect, test } from "vitest";
import { formatMetric, kindOf } from "./metrics";
import { metricOf, REGISTRY } from "./registry";

test("every metric of the registry is shown with a unit, as a share or as a count", () => {
  const shown = Object.fromEntries([...REGISTRY.metrics.values()].map((metric) => [metric.name, kindOf(metric)]));
  expect(shown).toMatchObject({
    ttft_s: "time",
    energy_j_per_token: "si",
    hbm_bytes_per_s: "si",
    max_utilization: "fraction",
    hbm_fraction: "fraction",
    quality: "fraction",
    prefill_dsp: "count",
  });
});

test("defaults are metrics that can be objectives", () => {
  for (const name of REGISTRY.defaultObjectives) {
    expect(REGISTRY.metrics.has(name)).toBe(true);
    expect(REGISTRY.notModelled).not.toContain(name);
  }
});

test("a metric of a newer server is still shown", () => {
  expect(formatMetric(metricOf("area_mm2"), 12.5)).toBe("12.5");
});
