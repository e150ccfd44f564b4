import { expect, test } from "vitest";
import type { CostReport, ModuleCost } from "./documents";
import { designCommands, exploreCommand, shellWord } from "./commands";
import { formatBand, requestTimeline, stageBreakdown, overlapText } from "./design";

function module(stage: "prefill" | "decode", name: string, cycles: number, bound: ModuleCost["bound_by"]): ModuleCost {
  return { stage, module: name, cycles, busy_cycles: cycles, bound_by: bound, dsp: 0, source: "" };
}

const report = {
  prefill: { latency_s: 1.65, clock_mhz: 304 },
  decode: { first_step_s: 0.007, clock_mhz: 292 },
  ttft_s: 1.957,
  e2e_latency_s: 9.057,
  breakdown: [
    module("prefill", "gate", 3e6, "compute"),
    module("prefill", "norm", 1e6, "serial"),
    module("decode", "engine", 292e3, "hbm"),
  ],
} as unknown as CostReport;

test("the slices of a request sum to its end-to-end latency", () => {
  const slices = requestTimeline(report);
  expect(slices.reduce((sum, slice) => sum + slice.seconds, 0)).toBeCloseTo(report.e2e_latency_s, 12);
  expect(slices.find((slice) => slice.key === "swap")?.seconds).toBeCloseTo(0.3, 12);
});

test("modules of a stage come largest first and share its time", () => {
  const prefill = stageBreakdown(report, "prefill");
  expect(prefill.modules.map((row) => [row.module, row.share])).toEqual([
    ["gate", 0.75],
    ["norm", 0.25],
  ]);
  expect(prefill.byBound).toEqual([
    { bound: "compute", share: 0.75 },
    { bound: "serial", share: 0.25 },
  ]);
  expect(stageBreakdown(report, "decode").seconds).toBeCloseTo(1e-3, 12);
});

test("error bands", () => {
  expect(formatBand({ relative_low: -0.03, relative_high: 0.03 })).toBe("± 3 %");
  expect(formatBand({ relative_low: -0.02, relative_high: 0.08 })).toBe("−2 … +8 %");
});

test("commands are safe to paste", () => {
  expect(shellWord("my card's.yaml")).toBe(`'my card'\\''s.yaml'`);
  const context = { model: "llama-3.2-1b", device: "my card", promptTokens: 1024, outputTokens: 64 };
  expect(designCommands("design-ab.json", "flexdse-ab", context)).toEqual([
    "flexdse evaluate --design design-ab.json --model llama-3.2-1b --device 'my card' --prompt-tokens 1024 --output-tokens 64",
    "flexdse generate --design design-ab.json --model llama-3.2-1b --device 'my card' --prompt-tokens 1024 --output-tokens 64 --out flexdse-ab",
    "flexdse csim flexdse-ab",
  ]);
  const explore = exploreCommand({ ...context, device: "u280", objectives: ["ttft_s", "tpot_s"], method: "nsga2", budget: 500, seed: 7, constraints: [], spaceFile: null, epsilon: 0, floorplan: true });
  expect(explore).toBe(
    "flexdse explore --model llama-3.2-1b --device u280 --prompt-tokens 1024 --output-tokens 64 --objectives ttft_s,tpot_s --method nsga2 --budget 500 --seed 7",
  );
  const narrowed = { objectives: ["ttft_s"], method: "exact", budget: 500, seed: 7, constraints: ["tpot_s <= 0.01"], spaceFile: "space-1.json", epsilon: 0.05, floorplan: false };
  expect(exploreCommand({ ...context, device: "u280", ...narrowed })).toMatch(
    / --objectives ttft_s --constraint 'tpot_s <= 0.01' --space space-1.json --epsilon 0.05 --no-floorplan --method exact --seed 7$/,
  );
});

test("modules that follow one another are not said to work at the same time", () => {
  const rows = (busy: readonly number[]) => ({ cycles: 100, modules: busy.map((busy_cycles) => ({ busy_cycles })) }) as unknown as Parameters<typeof overlapText>[0];
  expect(overlapText(rows([60, 40]))).toMatch(/^The modules follow one another/);
  expect(overlapText(rows([90, 80]))).toMatch(/at the same time/);
});
