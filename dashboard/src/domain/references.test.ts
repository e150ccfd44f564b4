import { expect, test } from "vitest";
import { referenceMetrics } from "./references";

test("a reference system by its rates, and nothing of what they do not determine", () => {
  const times = { prefill_s_per_1k_tokens: 0.5, decode_tokens_per_s: 100, swap_s: 0, prefill_power_w: 200, decode_power_w: 100 };
  const metrics = referenceMetrics(times, { prompt_tokens: 2000, output_tokens: 50, batch: 1 });
  expect(metrics).toMatchObject({ prefill_latency_s: 1, ttft_s: 1.01, tpot_s: 0.01, e2e_latency_s: 1.5, energy_j: 250, energy_j_per_token: 5 });
  expect(metrics["power_w"]).toBeCloseTo(250 / 1.5);
  expect(metrics["max_utilization"]).toBeUndefined();
  const unknown = referenceMetrics({ prefill_s_per_1k_tokens: 0.5, decode_tokens_per_s: 100, prefill_power_w: null }, { prompt_tokens: 1000, output_tokens: 1, batch: 1 });
  expect([unknown["energy_j"], unknown["power_w"]]).toEqual([null, null]);
});
