/** Model quality in words: a value never stands without what it rests on and how far it may be off. */
import type { QualityReport } from "./documents";
import { formatQuantity } from "./units";

/** By quantization scheme: nothing else of a design decides its quality. */
export type Qualities = Readonly<Record<string, QualityReport>>;

/** "+41.8 %", "−0.3 %": a change of perplexity. */
export function changeText(value: number): string {
  const text = formatQuantity(Math.abs(value), "1", "fraction");
  return value === 0 ? text : `${value > 0 ? "+" : "−"}${text}`;
}

/** "+31 % to +49.1 %"; "no band" where the source gives one number. */
export function qualityBand({ low, high }: QualityReport): string {
  return low == null || high == null ? "no band" : `${changeText(low)} to ${changeText(high)}`;
}

/** "published, no band"; "predicted from measured sensitivities, +31 % to +49.1 %". */
export function qualitySource(report: QualityReport): string {
  return report.value === null ? (report.missing ?? "not known") : `${report.kind ?? "source not said"}, ${qualityBand(report)}`;
}

/** Whether the tables say of now what a search was told: they may have grown since. */
export function isQualityOfNow(report: QualityReport | undefined, shown: number): boolean {
  return report?.value != null && Math.abs(report.value - shown) <= 1e-9 * Math.max(1, Math.abs(shown));
}

/** What a value of a front rests on; `scheme` null where the design does not say. */
export function sourceOf(qualities: Qualities, scheme: string | null, shown: number): string {
  const report = scheme === null ? undefined : qualities[scheme];
  if (report === undefined) return "source not said";
  if (isQualityOfNow(report, shown)) return qualitySource(report);
  const now = report.value === null ? "no value" : `${changeText(report.value)}, ${qualitySource(report)}`;
  return `as the tables said when it was searched; now ${now}`;
}
