/** The parameters of a design and the split of a request's time, as rows for tables and bars. */
import type { CostReport, DesignPoint, ModuleCost, Stage } from "./documents";
import { formatFixed } from "./units";

export interface Parameter {
  readonly key: string;
  readonly title: string;
  readonly short: string;
  readonly meaning: string;
}

/** Names as in the design document; `short` heads the narrow columns of the front table. */
export const PREFILL_PARAMETERS: readonly Parameter[] = [
  { key: "token_parallelism", title: "token parallelism", short: "T", meaning: "tokens of a block = rows of every array" },
  { key: "qkvo_weight_parallelism", title: "QKVO weight parallelism", short: "W qkvo", meaning: "output channels per pass of the kq and vo arrays" },
  { key: "ffn_weight_parallelism", title: "FFN weight parallelism", short: "W ffn", meaning: "output channels per pass of each FFN array" },
  { key: "ffn_weight_blocks", title: "FFN weight blocks", short: "blk", meaning: "sub-arrays of an FFN array, one weight port each" },
  { key: "key_parallelism", title: "key parallelism", short: "K", meaning: "keys per pass of the QK array" },
  { key: "value_parallelism", title: "value parallelism", short: "V", meaning: "head channels per pass of the AV array" },
];

export const DECODE_PARAMETERS: readonly Parameter[] = [
  { key: "block_parallelism", title: "block parallelism", short: "B", meaning: "groups of output channels computed side by side" },
  { key: "weight_parallelism", title: "weight parallelism", short: "W", meaning: "output channels per group and pass" },
  { key: "engine_splits", title: "engine splits", short: "split", meaning: "parts of the engine, each with a copy of the input" },
  { key: "head_parallelism", title: "head parallelism", short: "H", meaning: "heads computed side by side in attention" },
  { key: "key_parallelism", title: "key parallelism", short: "K", meaning: "keys per pass of each QK lane" },
  { key: "value_parallelism", title: "value parallelism", short: "V", meaning: "head channels per pass of each AV lane" },
  { key: "vector_parallelism", title: "vector parallelism", short: "vec", meaning: "lanes of embedding, norm and residual" },
];

export function parameterValue(design: DesignPoint, stage: Stage, key: string): number | null {
  const value = (design[stage] as unknown as Record<string, unknown>)[key];
  return typeof value === "number" ? value : null;
}

export interface TimeSlice {
  readonly key: string;
  readonly title: string;
  readonly seconds: number;
}

/** Where the time of one request goes; the slices sum to `e2e_latency_s`. */
export function requestTimeline(report: CostReport): TimeSlice[] {
  const { prefill, decode, ttft_s: ttft, e2e_latency_s: total } = report;
  return [
    { key: "prefill", title: "Prefill", seconds: prefill.latency_s },
    { key: "swap", title: "Bitstream swap and KV re-layout", seconds: Math.max(0, ttft - prefill.latency_s - decode.first_step_s) },
    { key: "first", title: "First decode step", seconds: decode.first_step_s },
    { key: "decode", title: "Further decode steps", seconds: Math.max(0, total - ttft) },
  ];
}

export interface StageBreakdown {
  readonly stage: Stage;
  readonly clockMhz: number;
  readonly cycles: number;
  readonly seconds: number;
  /** Largest first. */
  readonly modules: readonly (ModuleCost & { readonly share: number; readonly seconds: number })[];
  readonly byBound: readonly { readonly bound: ModuleCost["bound_by"]; readonly share: number }[];
}

export const BOUNDS: readonly ModuleCost["bound_by"][] = ["compute", "hbm", "serial", "fill"];

export const BOUND_TITLES: Readonly<Record<ModuleCost["bound_by"], string>> = {
  compute: "compute",
  hbm: "HBM",
  serial: "serial",
  fill: "fill / drain",
};

export function stageBreakdown(report: CostReport, stage: Stage): StageBreakdown {
  const clockMhz = report[stage].clock_mhz;
  const modules = report.breakdown.filter((module) => module.stage === stage);
  const cycles = modules.reduce((sum, module) => sum + module.cycles, 0);
  const rows = modules
    .map((module) => ({ ...module, share: cycles > 0 ? module.cycles / cycles : 0, seconds: module.cycles / (clockMhz * 1e6) }))
    .sort((a, b) => b.cycles - a.cycles);
  const byBound = BOUNDS.map((bound) => ({
    bound,
    share: rows.filter((row) => row.bound_by === bound).reduce((sum, row) => sum + row.share, 0),
  })).filter((row) => row.share > 0);
  return { stage, clockMhz, cycles, seconds: cycles / (clockMhz * 1e6), modules: rows, byBound };
}

/** How the busy times of a stage's modules make up its time: one after the other, or hidden behind each other. */
export function overlapText({ modules, cycles }: Pick<StageBreakdown, "modules" | "cycles">): string {
  const busy = modules.reduce((sum, module) => sum + module.busy_cycles, 0);
  return busy <= cycles * 1.01
    ? "The modules follow one another: the time that each is busy is what it adds to the stage, and the shares make up the whole."
    : "The modules of this stage work at the same time, on different tokens: the critical path is what each adds to the stage's time, the busy time what it works itself, with its share of the stage. A module that is busy and adds little is hidden behind a slower one.";
}

/** "+8 % / −2 %" as the value's own range. */
export function bandRange(value: number, band: { relative_low: number; relative_high: number }): readonly [number, number] {
  return [value * (1 + band.relative_low), value * (1 + band.relative_high)];
}

export function formatBand(band: { relative_low: number; relative_high: number }): string {
  const percent = (share: number): string => {
    const text = Math.abs(share * 100).toLocaleString("en-US", { maximumFractionDigits: 1 });
    return `${share < 0 ? "−" : "+"}${text}`;
  };
  if (-band.relative_low === band.relative_high) return `± ${percent(band.relative_high).slice(1)} %`;
  return `${percent(band.relative_low)} … ${percent(band.relative_high)} %`;
}

/** A share with one decimal; what is there never reads as nothing. */
export function percent(share: number): string {
  return share > 0 && share < 0.001 ? "< 0.1 %" : `${formatFixed(share * 100, 1)} %`;
}

/** A change with its sign: "+12.5 %", "−3 %". */
export function signedPercent(change: number): string {
  const text = Math.abs(change * 100).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return `${change > 0 ? "+" : change < 0 ? "−" : ""}${text} %`;
}

/** In the fixed order of the project. */
export const RESOURCES = [
  { key: "lut", title: "LUT" },
  { key: "ff", title: "FF" },
  { key: "dsp", title: "DSP" },
  { key: "bram_18k", title: "BRAM 18K" },
  { key: "uram", title: "URAM" },
] as const;
