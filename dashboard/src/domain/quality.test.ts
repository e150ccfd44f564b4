import { expect, test } from "vitest";
import type { QualityReport } from "./documents";
import { changeText, qualityBand, qualitySource, sourceOf } from "./quality";

const published: QualityReport = { value: 0.418, missing: null, low: null, high: null, kind: "published", detail: "FlexLLM" };
const predicted: QualityReport = { value: 0.38, missing: null, low: 0.31, high: 0.491, kind: "predicted from measured sensitivities", detail: "SmolLM2" };
const unknown: QualityReport = { value: null, missing: "never measured", low: null, high: null, kind: null, detail: null };

test("a change of perplexity has its sign", () => {
  expect([0.418, -0.003, 0].map(changeText)).toEqual(["+41.8 %", "−0.3 %", "0 %"]);
});

test("a value says what it rests on and how far it may be off", () => {
  expect(qualitySource(published)).toBe("published, no band");
  expect(qualitySource(predicted)).toBe("predicted from measured sensitivities, +31 % to +49.1 %");
  expect(qualitySource(unknown)).toBe("never measured");
  expect(qualityBand({ ...predicted, low: -0.01 })).toBe("−1 % to +49.1 %");
});

test("a value of a front that the tables no longer say is told apart", () => {
  const all = { w4a4kv8: published, w4a8kv8: predicted, w2a2kv2: unknown };
  expect(sourceOf(all, "w4a4kv8", 0.418)).toBe("published, no band");
  expect(sourceOf(all, "w4a8kv8", 0.5)).toBe("as the tables said when it was searched; now +38 %, predicted from measured sensitivities, +31 % to +49.1 %");
  expect(sourceOf(all, "w2a2kv2", 0.5)).toBe("as the tables said when it was searched; now no value");
  expect(sourceOf(all, "w8a8kv8", 0.5)).toBe("source not said");
  expect(sourceOf(all, null, 0.5)).toBe("source not said");
});
