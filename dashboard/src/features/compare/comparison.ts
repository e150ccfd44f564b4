/** What stands side by side: loaded from the server, as groups of rows. */
import { getDesign, getExploration, getFront, getFrontHead } from "../../api/explorations";
import type { FrontView } from "../../domain/columns";
import { compareRow, type CompareRow, flatDesign } from "../../domain/compare";
import type { Exploration, FrontDesign, Provenance } from "../../domain/documents";
import { explorationTitle, METHOD_TITLES, noHypervolume, rateOf } from "../../domain/exploration";
import { formatMetric, judgedSense } from "../../domain/metrics";
import { changeText, sourceOf } from "../../domain/quality";
import { metricOf, REGISTRY } from "../../domain/registry";
import { formatCount, formatDuration, formatLargeCount, formatNumber, formatQuantity } from "../../domain/units";
import { type DesignRef, formatPage } from "../../state/route";

const QUALITY = "quality";

export interface Group {
  readonly title: string;
  /** Of the numbers in it; null where they are of several kinds or no figures of a model. */
  readonly provenance: Provenance | null;
  readonly rows: readonly CompareRow[];
}

export interface Comparison {
  readonly columns: readonly { readonly title: string; readonly href: string }[];
  readonly groups: readonly Group[];
  /** Why no value is marked as the better one; null where they are of one task and one version of the models. */
  readonly caveat: string | null;
  /** Of explorations: what is drawn above the table. */
  readonly fronts: readonly { readonly title: string; readonly front: FrontView }[];
}

/** What is compared: the task, and what priced it. */
interface Subject {
  readonly task: Pick<Exploration, "model" | "workload">;
  readonly head: FrontView["head"];
}

/** Latencies of other models or other numbers of tokens are no better or worse, they are of something else. */
function caveatOf(subjects: readonly Subject[]): string | null {
  const named = ({ task }: Subject): string => `${task.model}, ${formatCount(task.workload.prompt_tokens)} → ${formatCount(task.workload.output_tokens)} tokens`;
  const priced = ({ head }: Subject): string => `models ${head.model_version}, timing ${head.timing_table_version}`;
  const tasks = [...new Set(subjects.map(named))];
  const versions = [...new Set(subjects.map(priced))];
  const causes = [...(tasks.length < 2 ? [] : [`of different tasks (${tasks.join("; ")})`]), ...(versions.length < 2 ? [] : [`priced by different versions (${versions.join("; ")})`])];
  return causes.length === 0 ? null : `These are ${causes.join(" and ")}: no value is marked as the better one.`;
}

function provenanceOf(subjects: readonly Subject[]): Provenance | null {
  const all = new Set(subjects.map(({ head }) => head.provenance));
  return all.size === 1 ? subjects[0]!.head.provenance : null;
}

/** Why a metric has no value in one of them, in the server's words. */
function reasonOf(name: string, subjects: readonly Subject[]): string {
  const told = [...new Set(subjects.flatMap(({ head }) => head.missing[name] ?? []))];
  return told.length === 0 ? "the models have no value for it" : told.join("; ");
}

function metricRows(metrics: readonly Readonly<Record<string, number | null>>[], subjects: readonly Subject[], comparable: boolean): CompareRow[] {
  return [...REGISTRY.metrics.values()]
    .filter((metric) => metric.name !== QUALITY)
    .map((metric) =>
      compareRow(metric.name, metrics.map((one) => one[metric.name]), {
        title: metric.title,
        definition: metric.definition,
        format: (value) => formatMetric(metric, value),
        sense: comparable ? judgedSense(metric) : null,
        reason: reasonOf(metric.name, subjects),
      }),
    )
    .filter((row) => row.values.some((value) => value !== null));
}

/** A value and the scheme of the design that has it. */
interface Quality {
  readonly value: number | null;
  readonly scheme: string | null;
}

/** Quality comes from tables, whatever priced the rest: each value stands over what it rests on. */
function qualityGroup(found: readonly Quality[], subjects: readonly Subject[], comparable: boolean): Group[] {
  if (found.every(({ value }) => value === null)) return [];
  const metric = metricOf(QUALITY);
  return [
    {
      title: "Model quality, from tables",
      provenance: null,
      rows: [
        compareRow(QUALITY, found.map(({ value }) => value), {
          title: metric.title,
          definition: metric.definition,
          format: changeText,
          sense: comparable ? metric.sense : null,
          reason: reasonOf(QUALITY, subjects),
        }),
        compareRow("quality source", found.map(({ value, scheme }, i) => (value === null ? null : `${scheme ?? ""}: ${sourceOf(subjects[i]!.head.qualities, scheme, value)}`)), { title: "Source, band" }),
      ],
    },
  ];
}

const versionRows = (subjects: readonly Subject[]): CompareRow[] => [
  compareRow("models", subjects.map(({ head }) => head.model_version), { title: "Version of the models" }),
  compareRow("timing", subjects.map(({ head }) => head.timing_table_version), { title: "Version of the timing table" }),
];

export async function compareDesigns(refs: readonly DesignRef[]): Promise<Comparison> {
  const ids = [...new Set(refs.map((ref) => ref.exploration))];
  const [explorations, heads, designs] = await Promise.all([
    Promise.all(ids.map(getExploration)),
    Promise.all(ids.map(getFrontHead)),
    Promise.all(refs.map((ref): Promise<FrontDesign> => getDesign(ref.exploration, ref.index))),
  ]);
  const of = new Map(explorations.map((exploration) => [exploration.id, exploration]));
  const subjects = refs.map(({ exploration }): Subject => ({ task: of.get(exploration)!, head: heads[ids.indexOf(exploration)]! }));
  const caveat = caveatOf(subjects);
  const flat = designs.map((entry) => flatDesign(entry.design as unknown as Record<string, unknown>));
  const parameters = [...new Set(flat.flatMap((map) => [...map.keys()]))];
  const qualities = designs.map(({ metrics, design }): Quality => ({ value: metrics[QUALITY] ?? null, scheme: design.quant_scheme.name }));
  return {
    columns: refs.map((ref) => ({
      title: ids.length === 1 ? `Design #${ref.index}` : `#${ref.index} of ${explorationTitle(of.get(ref.exploration)!)}`,
      href: formatPage({ name: "design", id: ref.exploration, index: ref.index }),
    })),
    groups: [
      { title: "Metrics", provenance: provenanceOf(subjects), rows: metricRows(designs.map((entry) => entry.metrics), subjects, caveat === null) },
      ...qualityGroup(qualities, subjects, caveat === null),
      { title: "Parameters", provenance: null, rows: [...parameters.map((name) => compareRow(name, flat.map((map) => map.get(name)), { reason: "this design has no such parameter" })), ...versionRows(subjects)] },
    ],
    caveat,
    fronts: [],
  };
}

/** Of what neither way is better, a front has no best. */
function bestOfFront({ table }: FrontView): Record<string, number | null> {
  return Object.fromEntries(
    [...REGISTRY.metrics.values()].map((metric) => {
      const { name } = metric;
      const sense = judgedSense(metric);
      if (sense === null) return [name, null];
      const known = Array.from(table.numbers(name) ?? []).filter((value) => !Number.isNaN(value));
      return [name, known.length === 0 ? null : known.reduce((best, value) => (sense === "min" ? Math.min(best, value) : Math.max(best, value)))];
    }),
  );
}

function bestQuality({ table }: FrontView): Quality {
  const values = table.numbers(QUALITY);
  let best = -1;
  for (let row = 0; row < (values?.length ?? 0); row += 1) if (!Number.isNaN(values![row]!) && (best < 0 || values![row]! < values![best]!)) best = row;
  return best < 0 ? { value: null, scheme: null } : { value: values![best]!, scheme: table.nameAt("quant_scheme.name", best) };
}

export async function compareExplorations(ids: readonly string[]): Promise<Comparison> {
  const [explorations, fronts] = await Promise.all([Promise.all(ids.map(getExploration)), Promise.all(ids.map(getFront))]);
  const subjects = explorations.map((task, i): Subject => ({ task, head: fronts[i]!.head }));
  const caveat = caveatOf(subjects);
  const row = (title: string, value: (one: Exploration) => number | string | null, format?: (value: number) => string, reason?: string): CompareRow =>
    compareRow(title, explorations.map(value), { title, ...(format === undefined ? {} : { format }), ...(reason === undefined ? {} : { reason }) });
  return {
    columns: explorations.map((one) => ({ title: explorationTitle(one), href: formatPage({ name: "exploration", id: one.id }) })),
    groups: [
      { title: "Best of each metric on the front", provenance: provenanceOf(subjects), rows: metricRows(fronts.map(bestOfFront), subjects, caveat === null) },
      ...qualityGroup(fronts.map(bestQuality), subjects, caveat === null),
      {
        title: "Search",
        provenance: null,
        rows: [
          row("Model", (one) => one.model),
          row("Card", (one) => one.device),
          row("Prompt", (one) => one.workload.prompt_tokens, (value) => `${formatCount(value)} tokens`),
          row("Output", (one) => one.workload.output_tokens, (value) => `${formatCount(value)} tokens`),
          row("Objectives", (one) => one.objectives.map((name) => metricOf(name).title).join(", ")),
          row("Constraints", (one) => (one.constraints.length === 0 ? "none" : one.constraints.join(", "))),
          row("Method", (one) => METHOD_TITLES[one.method] ?? one.method),
          row("Designs on the front", (one) => one.front_size, formatCount),
          row("Legal designs", (one) => one.record?.legal_designs ?? null, formatLargeCount),
          row("Evaluations", (one) => one.record?.evaluations ?? null, formatCount),
          row("Feasible", (one) => (one.record === null || one.record.evaluations === 0 ? null : one.record.feasible_evaluations / one.record.evaluations), (value) => formatQuantity(value, "1", "fraction")),
          row("Rate while pricing", (one) => (one.record === null ? null : rateOf(one.record)), (value) => `${formatNumber(value)} designs/s`),
          row("Share of the exact front's hypervolume", ratioOf, (value) => formatQuantity(value, "1", "fraction"), noVolume(explorations)),
          row("Search time", (one) => one.record?.seconds ?? null, formatDuration),
          ...versionRows(subjects),
        ],
      },
    ],
    caveat,
    fronts: explorations.map((one, i) => ({ title: explorationTitle(one), front: fronts[i]! })),
  };
}

/** Each against the exact front of its own space: the one figure of two searches that has a common measure. */
function ratioOf({ record }: Exploration): number | null {
  return record === null || noHypervolume(record) !== null ? null : record.hypervolume_ratio;
}

/** Why one of them has no such share. */
function noVolume(explorations: readonly Exploration[]): string {
  return [...new Set(explorations.flatMap(({ record }) => (record === null ? [] : (noHypervolume(record) ?? []))))].join("; ");
}
