/** What a reference system would take for a workload, by the rates that were published or implied for it. */
import type { Workload } from "./documents";

/** Of `POST /designs:compare-reference`. */
export interface ReferenceTimes {
  readonly prefill_s_per_1k_tokens: number;
  readonly decode_tokens_per_s: number;
  readonly swap_s?: number | null;
  readonly prefill_power_w?: number | null;
  readonly decode_power_w?: number | null;
}

/**
 * The metrics that the rates determine, in the registry's definitions: the first token comes after the prefill and one decode step, and time
 * grows in proportion to the tokens in and out. Nothing is said of metrics that they do not determine.
 */
export function referenceMetrics(times: ReferenceTimes, workload: Workload): Readonly<Record<string, number | null>> {
  const { prompt_tokens: prompt, output_tokens: output } = workload;
  const prefill = (times.prefill_s_per_1k_tokens * prompt) / 1000;
  const tpot = 1 / times.decode_tokens_per_s;
  const swap = times.swap_s ?? 0;
  const decode = output * tpot;
  const [prefillPower, decodePower] = [times.prefill_power_w ?? null, times.decode_power_w ?? null];
  const energy = prefillPower === null || decodePower === null ? null : prefillPower * prefill + decodePower * decode;
  return {
    prefill_latency_s: prefill,
    ttft_s: prefill + swap + tpot,
    tpot_s: tpot,
    decode_tokens_per_s: times.decode_tokens_per_s,
    prefill_tokens_per_s: prompt / prefill,
    e2e_latency_s: prefill + swap + decode,
    energy_j: energy,
    energy_j_per_token: energy === null ? null : energy / output,
    power_w: energy === null ? null : energy / (prefill + swap + decode),
  };
}
