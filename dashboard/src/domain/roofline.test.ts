import { expect, test } from "vitest";
import type { CostReport, DesignPoint } from "./documents";
import { linearLanes, linearMacs, linearWeights, type ModelConfig, stageRoof } from "./roofline";

const LLAMA_1B = { n_layers: 16, hidden_dim: 2048, ffn_dim: 8192, n_q_heads: 32, n_kv_heads: 8, head_dim: 64, vocab_size: 128256 } as ModelConfig;

const design = {
  prefill: {
    token_parallelism: 8,
    qkvo_weight_parallelism: 16,
    ffn_weight_parallelism: 96,
    modules: { linear_groups: [["q", "k"], ["v", "o"], ["gate"], ["up"], ["down"]] },
  },
  decode: { block_parallelism: 16, weight_parallelism: 64, modules: { linear_groups: [["q", "k", "v", "o", "gate", "up", "down", "lm_head"]] } },
} as unknown as DesignPoint;

const workload = { batch: 1 as const, prompt_tokens: 1024, output_tokens: 256 };

test("the weights of Llama 3.2 1B are its published 1,235,814,400 without embeddings and norms", () => {
  expect(linearWeights(LLAMA_1B)).toBe(1_235_814_400 - 128256 * 2048 - (2 * 16 + 1) * 2048);
  expect(linearMacs(LLAMA_1B, workload, "decode")).toBe(linearWeights(LLAMA_1B) + 128256 * 2048);
  expect(linearMacs(LLAMA_1B, workload, "prefill")).toBe(linearWeights(LLAMA_1B) * 1023);
});

test("groups with an FFN projection are wide, others narrow", () => {
  expect(linearLanes(design, "prefill")).toBe(8 * (2 * 16 + 3 * 96));
  expect(linearLanes(design, "decode")).toBe(1024);
});

test("a stage stands below its roofs, at its own intensity", () => {
  const report = {
    prefill: { latency_s: 1.627, clock_mhz: 304 },
    decode: { tpot_s: 0.00686, clock_mhz: 292 },
    memory: {
      prefill_hbm_bytes_per_s: null,
      hbm_bytes_per_s: 102e9,
      channels: [
        { stage: "decode", channel: 0, bytes_per_s: 1e9, limit_bytes_per_s: 12e9 },
        { stage: "decode", channel: 1, bytes_per_s: 1e9, limit_bytes_per_s: 11e9 },
        { stage: "prefill", channel: 1, bytes_per_s: 1e9, limit_bytes_per_s: 7e9 },
      ],
    },
  } as unknown as CostReport;
  const roof = stageRoof(report, design, LLAMA_1B, workload, "decode")!;
  expect(roof.peakMacsPerS).toBe(1024 * 292e6);
  expect(roof.bytesPerS).toBe(23e9);
  expect(roof.macsPerS).toBeCloseTo(1_235_746_816 / 0.00686, 3);
  expect(roof.macsPerByte).toBeCloseTo(roof.macsPerS / 102e9, 9);
  expect(stageRoof(report, design, LLAMA_1B, workload, "prefill")).toBeNull();
});
