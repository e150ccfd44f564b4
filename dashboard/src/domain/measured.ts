/** What was measured beside what the models predicted for the same design: pairs of one shape from every source. */
import type { components } from "../client/schema";
import type { Measurements, Stage } from "./documents";
import { kindOf } from "./metrics";
import { metricOf } from "./registry";
import { formatQuantity, type Kind, unitScale, type UnitScale } from "./units";

type Schemas = components["schemas"];
export type Measurement = Schemas["Measurement"];
export type CalibrationTable = Schemas["CalibrationTable"];
export type CalibrationEntry = Schemas["CalibrationEntry"];

export interface Pair {
  /** `timed_sim` ... `board`. */
  readonly fidelity: string;
  /** The tool that measured, with its version. */
  readonly tool: string;
  readonly device: string;
  readonly designKey: string;
  /** Name of the metric: of the registry, or of the columns that a calibration corrects. */
  readonly metric: string;
  readonly stage: Stage | null;
  readonly module: string | null;
  readonly predicted: number;
  readonly measured: number;
  readonly source: string;
  /** What a calibration can be fitted on; null: it is of a whole request. */
  readonly fit: Measurement | null;
}

/** predicted / measured - 1, as every error band of the models: above zero the model is too high. */
export function residual(pair: Pick<Pair, "predicted" | "measured">): number {
  return pair.predicted / pair.measured - 1;
}

export const FIDELITIES = ["timed_sim", "open_synthesis", "csynth", "cosim", "post_route", "board"] as const;

export const FIDELITY_TITLES: Readonly<Record<string, string>> = {
  timed_sim: "timed simulation",
  open_synthesis: "open synthesis",
  csynth: "HLS synthesis",
  cosim: "co-simulation",
  post_route: "place and route",
  board: "measured on the card",
};

export function fidelityTitle(fidelity: string): string {
  return FIDELITY_TITLES[fidelity] ?? fidelity;
}

const STAGE_METRICS: Readonly<Record<string, { readonly title: string; readonly unit: string; readonly kind: Kind }>> = {
  cycles: { title: "Cycles", unit: "cycles", kind: "count" },
  latency_s: { title: "Time of a stage", unit: "s", kind: "time" },
  lut: { title: "LUT", unit: "1", kind: "count" },
  ff: { title: "FF", unit: "1", kind: "count" },
  dsp: { title: "DSP", unit: "1", kind: "count" },
  bram_18k: { title: "BRAM 18K", unit: "1", kind: "count" },
  uram: { title: "URAM", unit: "1", kind: "count" },
};

function shownAs(pair: Pick<Pair, "metric" | "stage">): { readonly title: string; readonly unit: string; readonly kind: Kind } {
  const own = pair.stage === null ? undefined : STAGE_METRICS[pair.metric];
  if (own !== undefined) return own;
  const metric = metricOf(pair.metric);
  return { title: metric.title, unit: metric.unit, kind: kindOf(metric) };
}

/** What is on one pair of axes: numbers of one metric, of stages or of whole requests. */
export function quantityTitle(pair: Pick<Pair, "metric" | "stage">): string {
  return shownAs(pair).title;
}

export function formatPairValue(pair: Pick<Pair, "metric" | "stage">, value: number): string {
  const { unit, kind } = shownAs(pair);
  return formatQuantity(value, unit, kind);
}

/** The one unit of an axis with all these values, which are of one metric. */
export function pairScale(pairs: readonly Pair[]): UnitScale {
  const first = pairs[0];
  if (first === undefined) return { factor: 1, unit: "" };
  const { unit, kind } = shownAs(first);
  return unitScale(unit, pairs.flatMap((pair) => [pair.predicted, pair.measured]), kind);
}

/** "prefill softmax", "decode", "request". */
export function partTitle(pair: Pick<Pair, "stage" | "module">): string {
  return pair.stage === null ? "request" : pair.module === null ? pair.stage : `${pair.stage} ${pair.module.replaceAll("_", " ")}`;
}

/** What told measurements of an exploration say: metrics of the whole request. */
export function toldPairs(device: string, told: Measurements): Pair[] {
  return told.items.flatMap((item) =>
    Object.entries(item.metrics).flatMap(([metric, measured]): Pair[] => {
      const predicted = item.predicted[metric];
      if (predicted == null || predicted <= 0 || measured <= 0) return [];
      return [{ fidelity: item.provenance, tool: item.source, device, designKey: item.key, metric, stage: null, module: null, predicted, measured, source: item.source, fit: null }];
    }),
  );
}

/** One value of a stage or of a module. */
export function measurementPair(one: Measurement): Pair {
  return {
    fidelity: one.provenance,
    tool: one.lineage?.run ?? one.source,
    device: one.device,
    designKey: one.design_key,
    metric: one.metric,
    stage: one.stage,
    module: one.module,
    predicted: one.predicted,
    measured: one.measured,
    source: one.source,
    fit: one,
  };
}

const FILE_SCHEMA = "flexdse/measurements/v1";

/** The pairs of a measurements file, as `flexdse calibrate --save` writes it; the server judges it when it is fitted. */
export function filePairs(document: unknown, fileName: string): Pair[] {
  const found = document as { readonly schema?: unknown; readonly measurements?: unknown } | null;
  if (typeof found !== "object" || found?.schema !== FILE_SCHEMA || !Array.isArray(found.measurements)) {
    throw new Error(`${fileName} is no measurements file: it must be a JSON document of schema ${FILE_SCHEMA}, as flexdse calibrate --save writes it.`);
  }
  return found.measurements.map((entry: Partial<Measurement>, i): Pair => {
    const { predicted, measured, provenance, device, design_key: designKey, metric, stage } = entry;
    if (!(Number(predicted) > 0 && Number(measured) > 0) || provenance === undefined || device === undefined || designKey === undefined || metric === undefined || stage === undefined) {
      throw new Error(`${fileName}: measurements[${i}] needs provenance, device, design_key, stage, metric, and predicted and measured above 0.`);
    }
    return measurementPair(entry as Measurement);
  });
}

const TIME: ReadonlySet<string> = new Set(["cycles", "latency_s"]);

/** The factor that a calibration has for a pair; null where it has none. Cycles and seconds share one. */
export function entryOf(pair: Pair, table: CalibrationTable): CalibrationEntry | null {
  if (pair.device !== table.device) return null;
  const same = (entry: CalibrationEntry): boolean => entry.metric === pair.metric || (TIME.has(entry.metric) && TIME.has(pair.metric));
  return table.entries.find((entry) => entry.provenance === pair.fidelity && entry.stage === pair.stage && entry.module === pair.module && same(entry)) ?? null;
}

/** The pairs with the calibrated value in place of the model's; those that it has no factor for stay as they are. */
export function calibrated(pairs: readonly Pair[], table: CalibrationTable): Pair[] {
  return pairs.map((pair) => {
    const entry = entryOf(pair, table);
    // csynth resources are taken to post-route first: the factor is of that value.
    return entry === null ? pair : { ...pair, predicted: (pair.predicted * entry.factor) / (entry.route_factor ?? 1) };
  });
}

export interface ResidualGroup {
  readonly fidelity: string;
  readonly tool: string;
  readonly residuals: readonly number[];
  readonly designs: number;
  /** Mean of |residual|. */
  readonly meanError: number;
  /** Of the residuals. */
  readonly bias: number;
  readonly worst: number;
}

/** The residuals by fidelity and tool version, in rising order of fidelity. */
export function residualGroups(pairs: readonly Pair[]): ResidualGroup[] {
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const key = JSON.stringify([pair.fidelity, pair.tool]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pair]);
    else group.push(pair);
  }
  const rank = (fidelity: string): number => FIDELITIES.indexOf(fidelity as (typeof FIDELITIES)[number]);
  return [...groups.values()]
    .map((group): ResidualGroup => {
      const residuals = group.map(residual);
      const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
      return {
        fidelity: group[0]!.fidelity,
        tool: group[0]!.tool,
        residuals,
        designs: new Set(group.map((pair) => pair.designKey)).size,
        meanError: mean(residuals.map(Math.abs)),
        bias: mean(residuals),
        worst: residuals.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0),
      };
    })
    .sort((a, b) => rank(a.fidelity) - rank(b.fidelity) || a.tool.localeCompare(b.tool));
}
