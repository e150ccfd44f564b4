/** What the registry of the server says about a metric, and how this page shows it. */
import { formatQuantity, type Kind, type Quantity, quantity, unitScale, type UnitScale } from "./units";

export interface MetricInfo {
  readonly name: string;
  readonly unit: string;
  readonly sense: "min" | "max";
  readonly title: string;
  readonly definition: string;
}

export type MetricValues = Readonly<Record<string, number | null>>;

/** The registry has unit "1" for counts and for fractions; the names of counts say what is counted. */
export function kindOf(metric: Pick<MetricInfo, "name" | "unit">): Kind {
  if (metric.unit === "s") return "time";
  if (metric.unit !== "1") return "si";
  return /_(dsp|lut|ff|bram_18k|uram|count|cycles)$/.test(metric.name) ? "count" : "fraction";
}

export function metricQuantity(metric: MetricInfo, value: number | null | undefined): Quantity {
  return quantity(value, metric.unit, kindOf(metric));
}

export function formatMetric(metric: MetricInfo, value: number | null | undefined): string {
  return formatQuantity(value, metric.unit, kindOf(metric));
}

export function metricScale(metric: MetricInfo, values: Iterable<number>): UnitScale {
  return unitScale(metric.unit, values, kindOf(metric));
}

/** Which way is better, in words for a label. */
export function betterText(metric: MetricInfo): string {
  return metric.sense === "min" ? "lower is better" : "higher is better";
}

/** Neither more nor less of these is better by itself: a faster engine of the same traffic a token moves more a second. */
const NOT_JUDGED = new Set(["hbm_bytes_per_s", "hbm_fraction"]);

/** Which way is better where values of several designs stand side by side; null where neither is. */
export function judgedSense(metric: MetricInfo): "min" | "max" | null {
  return NOT_JUDGED.has(metric.name) ? null : metric.sense;
}

const SHORT_TITLES: Readonly<Record<string, string>> = {
  ttft_s: "TTFT",
  tpot_s: "TPOT",
  e2e_latency_s: "End to end",
  prefill_latency_s: "Prefill",
  prefill_tokens_per_s: "Prefill rate",
  decode_tokens_per_s: "Decode rate",
  energy_j: "Energy",
  energy_j_per_token: "Energy/token",
  dynamic_energy_j_per_token: "Dyn. energy/token",
  power_w: "Power",
  max_utilization: "Max. utilization",
  prefill_dsp: "Prefill DSP",
  decode_dsp: "Decode DSP",
  hbm_bytes_per_s: "HBM traffic",
  hbm_fraction: "HBM use",
  quality: "Perplexity",
};

/** For the head of a column; the full title and the definition are its tooltip. */
export function shortTitle(metric: MetricInfo): string {
  return SHORT_TITLES[metric.name] ?? metric.title;
}
