/** What stands side by side: loaded from the server, as groups of rows. */
import { getDesign, getExploration, getFront } from "../../api/explorations";
import type { FrontView } from "../../domain/columns";
import { compareRow, type CompareRow, flatDesign } from "../../domain/compare";
import type { Exploration, FrontDesign } from "../../domain/documents";
import { explorationTitle, METHOD_TITLES, spansVolume } from "../../domain/exploration";
import { formatMetric } from "../../domain/metrics";
import { metricOf, REGISTRY } from "../../domain/registry";
import { formatCount, formatDuration, formatLargeCount, formatNumber, formatQuantity } from "../../domain/units";
import { type DesignRef, formatPage } from "../../state/route";

export interface Comparison {
  readonly columns: readonly { readonly title: string; readonly href: string }[];
  readonly groups: readonly { readonly title: string; readonly rows: readonly CompareRow[] }[];
  /** Why no value is marked as the better one; null where they are of one task. */
  readonly caveat: string | null;
  /** Of explorations: what is drawn above the table. */
  readonly fronts: readonly { readonly title: string; readonly front: FrontView }[];
}

type Task = Pick<Exploration, "model" | "workload">;

/** Latencies of other models or other numbers of tokens are no better or worse, they are of something else. */
function caveatOf(tasks: readonly Task[]): string | null {
  const named = (task: Task): string => `${task.model}, ${formatCount(task.workload.prompt_tokens)} → ${formatCount(task.workload.output_tokens)} tokens`;
  const different = [...new Set(tasks.map(named))];
  return different.length < 2 ? null : `These are of different tasks (${different.join("; ")}): no value is marked as the better one.`;
}

function metricRows(metrics: readonly Readonly<Record<string, number | null>>[], comparable: boolean): CompareRow[] {
  return [...REGISTRY.metrics.values()]
    .map((metric) =>
      compareRow(metric.name, metrics.map((one) => one[metric.name]), {
        title: metric.title,
        definition: metric.definition,
        format: (value) => formatMetric(metric, value),
        sense: comparable ? metric.sense : null,
        reason: "the models have no value for it",
      }),
    )
    .filter((row) => row.values.some((value) => value !== null));
}

export async function compareDesigns(refs: readonly DesignRef[]): Promise<Comparison> {
  const ids = [...new Set(refs.map((ref) => ref.exploration))];
  const [explorations, designs] = await Promise.all([
    Promise.all(ids.map(getExploration)),
    Promise.all(refs.map((ref): Promise<FrontDesign> => getDesign(ref.exploration, ref.index))),
  ]);
  const of = new Map(explorations.map((exploration) => [exploration.id, exploration]));
  const caveat = caveatOf(explorations);
  const flat = designs.map((entry) => flatDesign(entry.design as unknown as Record<string, unknown>));
  const parameters = [...new Set(flat.flatMap((map) => [...map.keys()]))];
  return {
    columns: refs.map((ref) => ({
      title: ids.length === 1 ? `Design #${ref.index}` : `#${ref.index} of ${explorationTitle(of.get(ref.exploration)!)}`,
      href: formatPage({ name: "design", id: ref.exploration, index: ref.index }),
    })),
    groups: [
      { title: "Metrics", rows: metricRows(designs.map((entry) => entry.metrics), caveat === null) },
      { title: "Parameters", rows: parameters.map((name) => compareRow(name, flat.map((map) => map.get(name)), { reason: "this design has no such parameter" })) },
    ],
    caveat,
    fronts: [],
  };
}

function bestOfFront({ table }: FrontView): Record<string, number | null> {
  return Object.fromEntries(
    [...REGISTRY.metrics.values()].map(({ name, sense }) => {
      const known = Array.from(table.numbers(name) ?? []).filter((value) => !Number.isNaN(value));
      return [name, known.length === 0 ? null : known.reduce((best, value) => (sense === "min" ? Math.min(best, value) : Math.max(best, value)))];
    }),
  );
}

export async function compareExplorations(ids: readonly string[]): Promise<Comparison> {
  const [explorations, fronts] = await Promise.all([Promise.all(ids.map(getExploration)), Promise.all(ids.map(getFront))]);
  const caveat = caveatOf(explorations);
  const row = (title: string, value: (one: Exploration) => number | string | null, format?: (value: number) => string, reason?: string): CompareRow =>
    compareRow(title, explorations.map(value), { title, ...(format === undefined ? {} : { format }), ...(reason === undefined ? {} : { reason }) });
  return {
    columns: explorations.map((one) => ({ title: explorationTitle(one), href: formatPage({ name: "exploration", id: one.id }) })),
    groups: [
      { title: "Best of each metric on the front", rows: metricRows(fronts.map(bestOfFront), caveat === null) },
      {
        title: "Search",
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
          row("Rate", (one) => one.record?.designs_per_s ?? null, (value) => `${formatNumber(value)} designs/s`),
          row("Share of the exact front's hypervolume", ratioOf, (value) => formatQuantity(value, "1", "fraction"), "one point is the best in every objective: it spans no volume"),
          row("Search time", (one) => one.record?.seconds ?? null, formatDuration),
        ],
      },
    ],
    caveat,
    fronts: explorations.map((one, i) => ({ title: explorationTitle(one), front: fronts[i]! })),
  };
}

/** Each against the exact front of its own space: the one figure of two searches that has a common measure. */
function ratioOf({ record }: Exploration): number | null {
  return record !== null && spansVolume(record) ? record.hypervolume_ratio : null;
}
