/** A design on one page: HTML that stands alone, without a script and without anything from elsewhere. */
import type { components } from "../client/schema";
import { bandRange, BOUND_TITLES, DECODE_PARAMETERS, formatBand, parameterValue, percent, PREFILL_PARAMETERS, requestTimeline, RESOURCES, stageBreakdown } from "./design";
import type { CostReport, DesignPoint, Stage, Workload } from "./documents";
import { energySplit } from "./energy";
import { FIT_TITLES, limitAmount, limitText, ruleTitle } from "./limits";
import { formatMetric, type MetricInfo } from "./metrics";
import { changeText, qualitySource } from "./quality";
import { formatCount, formatQuantity, MISSING } from "./units";

export interface DatasheetInput {
  readonly title: string;
  readonly designKey: string;
  readonly model: string;
  readonly device: string;
  readonly workload: Workload;
  readonly objectives: readonly string[];
  readonly metrics: readonly MetricInfo[];
  readonly design: DesignPoint;
  readonly report: CostReport;
  /** Null where none was made, with the reason. */
  readonly floorplan: components["schemas"]["Floorplan"] | null;
  readonly floorplanMissing: string | null;
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => ESCAPES[letter]!);
}

const STYLE = `
@page { size: A4; margin: 8mm; }
body { max-width: 190mm; margin: 0 auto; font: 7.8pt/1.2 "Liberation Sans", Arial, sans-serif; color: #171c23; background: #fff; }
h1 { margin: 0; font-size: 15pt; } h2 { margin: 2mm 0 .6mm; font-size: 9pt; border-bottom: 1px solid #b9c0ca; }
p { margin: .7mm 0; } .sub, .note { color: #55606e; } .note { font-size: 7.2pt; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 0 6mm; }
table { width: 100%; border-collapse: collapse; } th, td { padding: .2mm 1mm .2mm 0; text-align: left; font-weight: 400; border-bottom: 1px solid #e8ebef; }
td { text-align: right; white-space: nowrap; } th.key { font-weight: 700; } svg { display: block; width: 100%; }
`;

const PALETTE: Readonly<Record<string, string>> = {
  prefill: "#0072b2",
  swap: "#cc79a7",
  first: "#d55e00",
  decode: "#56b4e9",
  compute: "#0072b2",
  hbm: "#e69f00",
  serial: "#009e73",
  fill: "#8f99a5",
};

interface Slice {
  readonly key: string;
  readonly title: string;
  readonly value: number;
}

/** A bar of the parts of a whole, and below it what each is. */
function bar(slices: readonly Slice[], text: (value: number) => string): string {
  const total = slices.reduce((sum, slice) => sum + slice.value, 0);
  if (total <= 0) return "";
  let x = 0;
  const parts = slices.map((slice) => {
    const width = (slice.value / total) * 1000;
    const rect = `<rect x="${x.toFixed(2)}" width="${width.toFixed(2)}" height="20" fill="${PALETTE[slice.key] ?? "#8f99a5"}"/>`;
    x += width;
    return rect;
  });
  const words = slices.map((slice) => `<span style="white-space:nowrap"><b style="color:${PALETTE[slice.key] ?? "#8f99a5"}">&#9632;</b> ${escapeHtml(slice.title)} ${escapeHtml(text(slice.value))} (${percent(slice.value / total)})</span>`);
  return `<svg viewBox="0 0 1000 20" preserveAspectRatio="none" height="12" role="img" aria-label="${escapeHtml(slices.map((slice) => `${slice.title} ${percent(slice.value / total)}`).join(", "))}">${parts.join("")}</svg><p class="note">${words.join(" ")}</p>`;
}

function table(rows: readonly (readonly [string, ...string[]])[], head: readonly string[] = []): string {
  const cells = (tag: string, texts: readonly string[]): string => texts.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join("");
  const heading = head.length === 0 ? "" : `<tr><th>${escapeHtml(head[0]!)}</th>${cells("td", head.slice(1))}</tr>`;
  return `<table>${heading}${rows.map(([name, ...values]) => `<tr><th>${escapeHtml(name)}</th>${cells("td", values)}</tr>`).join("")}</table>`;
}

/** Counts of a kernel's resources stand in a table of their own. */
const OF_A_KERNEL = /^(prefill|decode)_(dsp|lut|ff|bram_18k|uram)$/;

function metricsTable({ metrics, objectives, report }: DatasheetInput): string {
  const rows = metrics.filter(({ name }) => !OF_A_KERNEL.test(name) || objectives.includes(name)).map((metric) => {
    const value = report.metrics[metric.name];
    const band = report.error_band[metric.name];
    const range = value == null || band === undefined ? "" : `${bandRange(value, band).map((end) => formatMetric(metric, end)).join(" … ")} (${formatBand(band)})`;
    const shown = value == null ? `${MISSING} ${report.missing[metric.name] ?? ""}` : formatMetric(metric, value);
    return `<tr><th${objectives.includes(metric.name) ? ' class="key"' : ""}>${escapeHtml(metric.title)}</th><td>${escapeHtml(shown)}</td><td class="sub">${escapeHtml(range)}</td></tr>`;
  });
  return `<table><tr><th>Objectives of the search in bold</th><td>value</td><td class="sub">error band</td></tr>${rows.join("")}</table>`;
}

function stageParts(input: DatasheetInput, stage: Stage): string {
  const { design, report } = input;
  const parameters = stage === "prefill" ? PREFILL_PARAMETERS : DECODE_PARAMETERS;
  const breakdown = stageBreakdown(report, stage);
  const values = parameters.map(({ key, title }): [string, string] => {
    const value = parameterValue(design, stage, key);
    return [title, value === null ? MISSING : formatCount(value)];
  });
  const slices = breakdown.byBound.map(({ bound, share }) => ({ key: bound, title: BOUND_TITLES[bound], value: share * breakdown.seconds }));
  const slowest = breakdown.modules.slice(0, 4).map((module): [string, string, string] => [module.module.replaceAll("_", " "), percent(module.share), BOUND_TITLES[module.bound_by]]);
  return `<div><h2>${stage === "prefill" ? "Prefill" : "Decode step"}: ${escapeHtml(formatQuantity(breakdown.seconds, "s"))} at ${escapeHtml(formatQuantity(breakdown.clockMhz, "MHz"))}</h2>
${table(values)}${bar(slices, (seconds) => formatQuantity(seconds, "s"))}${table(slowest, ["Slowest modules", "share", "bound by"])}</div>`;
}

function resources({ report }: DatasheetInput): string {
  const rows = RESOURCES.map(({ key, title }): [string, ...string[]] => [title, ...(["prefill", "decode"] as const).flatMap((stage) => [formatCount(report[stage].resources[key]), percent(report[stage].utilization[key])])]);
  return `<h2>Resources</h2>${table(rows, ["Kernel; share of the card, shell included", "prefill", "", "decode", ""])}`;
}

function floorplanTable({ floorplan, floorplanMissing }: DatasheetInput): string {
  if (floorplan === null) return `<h2>SLR floorplan</h2><p>${MISSING} ${escapeHtml(floorplanMissing ?? "not made")}</p>`;
  const rows = floorplan.bitstreams.flatMap((bitstream) =>
    bitstream.regions.map((region): [string, ...string[]] => [
      `${bitstream.stages.join(" + ")} ${region.slr}`,
      ...[region.dsp_fraction, region.lut_fraction, region.ff_fraction, region.bram_18k_fraction, region.uram_fraction].map(percent),
    ]),
  );
  return `<h2>SLR floorplan (${escapeHtml(floorplan.status.replace("_", " "))})</h2>${table(rows, ["SLR", "DSP", "LUT", "FF", "BRAM", "URAM"])}`;
}

function rest({ report }: DatasheetInput): string {
  const energy = energySplit(report);
  const { quality, memory } = report;
  const qualityText = quality.value === null ? `${MISSING} ${quality.missing ?? ""}` : `perplexity ${changeText(quality.value)} (${qualitySource(quality)}). ${quality.detail ?? ""}`;
  return `<h2>Energy of one request</h2>${
    energy === null
      ? `<p>${MISSING} ${escapeHtml(report.missing["energy_j"] ?? "")}</p>`
      : bar(energy.phases.map(({ key, title, joules }) => ({ key, title, value: joules })), (joules) => formatQuantity(joules, "J"))
  }<h2>Memory and quality</h2><p>Weights ${escapeHtml(formatQuantity(memory.weight_bytes, "B"))}, KV cache ${escapeHtml(formatQuantity(memory.kv_cache_bytes, "B"))}, HBM ${escapeHtml(
    formatQuantity(memory.hbm_bytes_per_s, "B/s"),
  )} in decode, ${memory.hbm_fraction === null ? MISSING : percent(memory.hbm_fraction)} of what the card sustains.</p><p>Model quality: ${escapeHtml(qualityText)}</p>`;
}

export function datasheetHtml(input: DatasheetInput): string {
  const { title, designKey, model, device, workload, report, design } = input;
  const timeline = requestTimeline(report).filter((slice) => slice.seconds > 0);
  const broken = report.violations.map((violation) => `<p>${escapeHtml(`${ruleTitle(violation.constraint)} in ${violation.where}: ${limitText(violation)}`)}. ${escapeHtml(violation.message)}</p>`).join("");
  const open = report.open_limits
    .map((limit) => `<p>Undecided: ${escapeHtml(`${ruleTitle(limit.constraint)} in ${limit.where}, ${limitAmount(limit.demand, limit.unit)} estimated (${formatBand(limit)}), ${limitAmount(limit.bound, limit.unit)} allowed`)}</p>`)
    .join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p class="sub">${escapeHtml(model)} on ${escapeHtml(device)}, ${formatCount(workload.prompt_tokens)} prompt and ${formatCount(workload.output_tokens)} output tokens; ${escapeHtml(design.quant_scheme.name)}, ${escapeHtml(design.deployment.replaceAll("_", " "))}; design ${escapeHtml(designKey)}</p>
<h2>Metrics (${escapeHtml(report.provenance.replace("_", " "))})</h2>${metricsTable(input)}
<h2>Time of one request</h2>${bar(timeline.map(({ key, title: name, seconds }) => ({ key, title: name, value: seconds })), (seconds) => formatQuantity(seconds, "s"))}
<div class="two">${stageParts(input, "prefill")}${stageParts(input, "decode")}</div>
<div class="two"><div>${resources(input)}</div><div>${floorplanTable(input)}</div></div>
${rest(input)}
<h2>Constraints</h2><p>The design ${escapeHtml(FIT_TITLES[report.fit])}.</p>${broken}${open}
<p class="note">FlexDSE ${escapeHtml(report.flexdse_version)}, cost models ${escapeHtml(report.model_version)}, timing table ${escapeHtml(report.timing_table_version)}. Error bands are what the models are held to, not confidence intervals.</p>
</body></html>
`;
}
