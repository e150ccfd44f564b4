import { expect, test } from "vitest";
import { fullStreams, predictedCycles, simulatedStages, synthesizedKernels } from "./runReports";

const module = (name: string, critical: number) => ({ module: name, processes: 1, working_cycles: 10, critical_cycles: critical, empty_stall_cycles: 3, full_stall_cycles: 0, memory_stall_cycles: 0 });
const stream = (name: string, full: number) => ({ stream: name, depth: 2, used_depth: 2, words: 9, empty_stall_cycles: 0, full_stall_cycles: full, writer: "a", reader: null });

test("the module on the critical path comes first, and the stream that stalls its writer most", () => {
  const document = {
    schema: "flexdse/simulation_report/v1",
    stages: [{ stage: "prefill", kernel: "prefill", tokens: 63, cycles: 100, modules: [module("b", 1), module("a", 7)], streams: [stream("s", 1), stream("t", 5), stream("u", 0)] }],
  };
  const [stage] = simulatedStages(document);
  expect(stage!.modules.map((row) => row.module)).toEqual(["a", "b"]);
  expect(fullStreams(stage!, 5).map((row) => row.stream)).toEqual(["t", "s"]);
  expect(fullStreams(stage!, 1)).toHaveLength(1);
  expect(simulatedStages({ schema: "flexdse/csim_report/v1" })).toEqual([]);
});

test("a synthesis by kernel, with ranges where the tool knows no more", () => {
  const counts = (lut: number) => ({ lut, ff: null, dsp: 4, bram_18k: 0, uram: 0 });
  const report = {
    provenance: "open_synthesis",
    tool: "yosys",
    tool_version: "0.60",
    part: "xcu280",
    resources: counts(900),
    resources_at_least: counts(500),
    latency: null,
    modules: [
      { name: "small", instances: 2, resources: counts(100), latency: { max_cycles: 7 }, estimated_clock_ns: 2.5 },
      { name: "large", resources: counts(800), latency: {} },
    ],
    assumptions: ["one"],
    missing: { latency: "not said" },
  };
  const [kernel] = synthesizedKernels({ schema: "flexdse/synthesis_step/v1", kernels: [{ kernel: "decode", step: "open_synthesis", reports: [report] }, { kernel: "prefill", reports: [] }] });
  expect(kernel).toMatchObject({ kernel: "decode", tool: "yosys 0.60", whole: { atLeast: { lut: 500 }, resources: { lut: 900 }, latencyCycles: null } });
  expect(kernel!.modules.map((row) => [row.name, row.instances, row.latencyCycles, row.clockNs])).toEqual([["large", 1, null, null], ["small", 2, 7, 2.5]]);
});

test("the prediction beside a simulation is the one for its own cycles", () => {
  const pair = { fidelity: "timed_sim", stage: "decode" as const, metric: "cycles", predicted: 7_050_050, measured: 7_120_381 };
  const others = [{ ...pair, stage: "prefill" as const, predicted: 1 }, { ...pair, fidelity: "csynth", predicted: 2 }, { ...pair, measured: 5, predicted: 3 }];
  expect(predictedCycles([...others, pair], { stage: "decode", cycles: 7_120_381 })).toBe(7_050_050);
  expect(predictedCycles(others, { stage: "decode", cycles: 7_120_381 })).toBeNull();
});
