/** Where the energy of one request goes: by phase, and what the card would take anyway. */
import type { CostReport } from "./documents";

export interface EnergySlice {
  readonly key: string;
  readonly title: string;
  readonly joules: number;
  readonly watts: number | null;
}

export interface EnergySplit {
  readonly total: number;
  /** Sums to `total`. */
  readonly phases: readonly EnergySlice[];
  /** Sums to `total`; empty where the split is not known. */
  readonly kinds: readonly EnergySlice[];
}

/** Null where the energy is not known: the idle power of the card was never measured. */
export function energySplit(report: CostReport): EnergySplit | null {
  const { prefill, decode, energy_j: total, e2e_latency_s: seconds, ttft_s: ttft } = report;
  if (total === null || prefill.power_w === null || decode.power_w === null || total <= 0) return null;
  // The first decode step is before the first token, all others after it.
  const decodeSeconds = Math.max(0, seconds - ttft) + decode.first_step_s;
  const betweenSeconds = Math.max(0, seconds - prefill.latency_s - decodeSeconds);
  const prefillJ = prefill.power_w * prefill.latency_s;
  const decodeJ = decode.power_w * decodeSeconds;
  const betweenJ = Math.max(0, total - prefillJ - decodeJ);
  const phases = [
    { key: "prefill", title: "Prefill", joules: prefillJ, watts: prefill.power_w },
    { key: "swap", title: "Bitstream swap and KV re-layout", joules: betweenJ, watts: betweenSeconds > 0 ? betweenJ / betweenSeconds : null },
    { key: "decode", title: "Decode", joules: decodeJ, watts: decode.power_w },
  ].filter((slice) => slice.joules > 0);
  const dynamicPerToken = report.metrics["dynamic_energy_j_per_token"];
  const perToken = report.energy_j_per_token;
  const tokens = perToken !== null && perToken > 0 ? total / perToken : null;
  const dynamic = dynamicPerToken == null || tokens === null ? null : dynamicPerToken * tokens;
  const kinds =
    dynamic === null
      ? []
      : [
          { key: "dynamic", title: "Above idle: logic and memory at work", joules: dynamic, watts: dynamic / seconds },
          { key: "idle", title: "Idle: the configured card", joules: total - dynamic, watts: (total - dynamic) / seconds },
        ];
  return { total, phases, kinds };
}
