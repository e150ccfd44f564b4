import { expect, test } from "vitest";
import { runSummary } from "./runs";

test("what a report comes to stands in one line", () => {
  expect(runSummary({ summary: "csim: PASS" })).toBe("csim: PASS");
  expect(runSummary({ compared_values: 12_345, seconds: 2 })).toBe("bit-exact, 12,345 values, took 2 s");
  const stages = [
    { stage: "prefill", cycles: 7_120_381, modules: [], streams: [] },
    { stage: "decode", cycles: null, modules: [], streams: [] },
  ];
  expect(runSummary({ schema: "flexdse/simulation_report/v1", stages, seconds: 95.39 })).toBe("prefill 7,120,381 cycles, took 95.39 s");
});
