import { expect, test } from "vitest";
import type { CostReport } from "./documents";
import { energySplit } from "./energy";

// `flexdse evaluate --json` of flexllm-u280 on 1,024 + 256 tokens.
const report = {
  prefill: { latency_s: 1.6270189473684211, power_w: 55.38314030574659 },
  decode: { first_step_s: 0.0067556438356164384, power_w: 55.757801858748776 },
  ttft_s: 1.9883942392040375,
  e2e_latency_s: 3.7388471433136266,
  energy_j: 202.86095921872007,
  energy_j_per_token: 0.7924256219481253,
  metrics: { dynamic_energy_j_per_token: 0.18398666886044682 },
} as unknown as CostReport;

test("phases and causes each sum to the energy of the request", () => {
  const split = energySplit(report)!;
  for (const slices of [split.phases, split.kinds]) expect(slices.reduce((sum, slice) => sum + slice.joules, 0)).toBeCloseTo(202.86095921872007, 9);
});

test("phases are the server's own energies per token times the tokens", () => {
  const joules = Object.fromEntries(energySplit(report)!.phases.map((slice) => [slice.key, slice.joules]));
  expect(joules["prefill"]).toBeCloseTo(0.08808349818398181 * 1023, 6);
  expect(joules["decode"]).toBeCloseTo(0.38272689859697917 * 256, 6);
});

test("no idle power, no split", () => {
  expect(energySplit({ ...report, energy_j: null })).toBeNull();
  const unknown = { ...report, metrics: { dynamic_energy_j_per_token: null } } as CostReport;
  expect(energySplit(unknown)!.kinds).toEqual([]);
});
