import { expect, test } from "vitest";
import { blockGraph } from "./blocks";
import type { CostReport, ModuleCost } from "./documents";

function report(...names: string[]): CostReport {
  const breakdown = names.map((module): ModuleCost => ({ stage: "prefill", module, cycles: 10, busy_cycles: 10, bound_by: "compute", dsp: module === "kv_proj" ? null : 4, dsp_in: module === "kv_proj" ? "q_proj" : null, source: "" }));
  return { breakdown } as unknown as CostReport;
}

test("every module is a block with its share", () => {
  const graph = blockGraph(report("norm_and_quant", "q_proj", "kv_proj", "gate_up_proj", "hadamard", "down_proj"), "prefill");
  expect(graph.blocks).toHaveLength(6);
  expect(graph.blocks.reduce((sum, block) => sum + block.share, 0)).toBeCloseTo(1, 12);
  expect(graph.blocks.find((block) => block.module === "kv_proj")?.sharedWith).toBe("q_proj");
  expect(graph.streams).toContainEqual(["hadamard", "down_proj"]);
});

test("a module that is left out is skipped by the stream", () => {
  const graph = blockGraph(report("gate_up_proj", "down_proj"), "prefill");
  expect(graph.streams).toEqual([["gate_up_proj", "down_proj"]]);
});

test("modules that the layout does not know stand below the others, each in its own place", () => {
  const names = Array.from({ length: 8 }, (_, i) => `plugin_${i}`);
  const graph = blockGraph(report("q_proj", ...names), "prefill");
  const strangers = graph.blocks.filter((block) => block.module.startsWith("plugin"));
  expect(new Set(strangers.map((block) => `${block.column},${block.row}`)).size).toBe(8);
  expect(Math.min(...strangers.map((block) => block.row))).toBe(1);
  expect(graph.rows).toBe(3);
  expect(blockGraph(report("q_proj"), "decode")).toEqual({ stage: "decode", blocks: [], streams: [], columns: 6, rows: 0 });
});
