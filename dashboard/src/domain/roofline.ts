/** What the linear layers of a stage do against what its arrays and its memory ports could do. */
import type { components } from "../client/schema";
import type { CostReport, DesignPoint, Stage, Workload } from "./documents";

export type ModelConfig = components["schemas"]["ModelConfig"];

export interface StageRoof {
  readonly stage: Stage;
  /** Of all arrays, every lane busy in every cycle. */
  readonly peakMacsPerS: number;
  /** Of the HBM channels that the stage reads and writes, as they are connected. */
  readonly bytesPerS: number;
  readonly macsPerS: number;
  readonly macsPerByte: number;
}

/** Weights of the seven linear layers of all decoder layers. */
export function linearWeights(model: ModelConfig): number {
  const query = model.n_q_heads * model.head_dim;
  const keys = model.n_kv_heads * model.head_dim;
  return model.n_layers * (2 * model.hidden_dim * query + 2 * model.hidden_dim * keys + 3 * model.hidden_dim * model.ffn_dim);
}

/** Multiply-accumulates of the linear layers in the whole prefill, or in one decode step; the last prompt token goes through decode. */
export function linearMacs(model: ModelConfig, workload: Workload, stage: Stage): number {
  return stage === "prefill" ? linearWeights(model) * (workload.prompt_tokens - 1) : linearWeights(model) + model.hidden_dim * model.vocab_size;
}

const FFN = new Set(["gate", "up", "down"]);

/** Multiply-accumulates a cycle that the linear arrays of a stage are built for. */
export function linearLanes(design: DesignPoint, stage: Stage): number {
  if (stage === "decode") {
    const { modules, block_parallelism: blocks, weight_parallelism: weights } = design.decode;
    return modules.linear_groups.length * blocks * weights;
  }
  const { modules, token_parallelism: tokens, qkvo_weight_parallelism: narrow, ffn_weight_parallelism: wide } = design.prefill;
  return tokens * modules.linear_groups.reduce((sum, group) => sum + (group.some((name) => FFN.has(name)) ? wide : narrow), 0);
}

/** Null where the stage does not run, moves nothing, or has the HMT plug-in, whose windows this does not count. */
export function stageRoof(report: CostReport, design: DesignPoint, model: ModelConfig, workload: Workload, stage: Stage): StageRoof | null {
  const seconds = stage === "prefill" ? report.prefill.latency_s : report.decode.tpot_s;
  const traffic = stage === "prefill" ? report.memory.prefill_hbm_bytes_per_s : report.memory.hbm_bytes_per_s;
  const macs = linearMacs(model, workload, stage);
  if (seconds === null || seconds <= 0 || traffic === null || traffic <= 0 || macs <= 0) return null;
  if (stage === "prefill" && report.hmt != null) return null;
  const channels = report.memory.channels.filter((entry) => entry.stage === stage);
  return {
    stage,
    peakMacsPerS: linearLanes(design, stage) * report[stage].clock_mhz * 1e6,
    bytesPerS: channels.reduce((sum, entry) => sum + entry.limit_bytes_per_s, 0),
    macsPerS: macs / seconds,
    macsPerByte: macs / (traffic * seconds),
  };
}
