/** Designs, or two explorations, side by side: what differs comes first. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { getDesign, getExploration, getFront } from "../../api/explorations";
import { bestOf, compareRow, type CompareRow, differencesFirst, flatDesign } from "../../domain/compare";
import type { Exploration, FrontDesign } from "../../domain/documents";
import { explorationTitle } from "../../domain/exploration";
import { formatMetric } from "../../domain/metrics";
import { metricOf, REGISTRY } from "../../domain/registry";
import { formatNumber } from "../../domain/units";
import { resource } from "../../state/resource";
import { formatPage, type DesignRef } from "../../state/route";
import { href, route } from "../../state/router";
import { Blank, Failure, Missing, Panel, ProvenanceBadge, Skeleton } from "../../ui/basics";
import { Link } from "../../ui/Link";
import css from "./compare.module.css";

const MOST = 6;

export function ComparePage(): JSX.Element {
  const { designs, explorations } = route.value.view;
  useEffect(() => {
    document.title = "Compare · FlexDSE";
  }, []);
  return (
    <div class={css.page}>
      <h1>Compare</h1>
      {explorations.length >= 2 ? (
        <Explorations ids={explorations.slice(0, MOST)} />
      ) : designs.length >= 2 ? (
        <Designs refs={designs.slice(0, MOST)} />
      ) : (
        <Panel title="Nothing to compare yet">
          <Blank title={designs.length === 1 ? "One design is chosen" : "Choose two to six designs, or two explorations"}>
            {designs.length === 1 && (
              <p>
                <Link to={href({ name: "exploration", id: designs[0]!.exploration }, { designs })}>Choose another design of the same exploration</Link>: what is chosen stays in the address.
              </p>
            )}
            <p>
              Designs are added with “Add to compare” on their page; two explorations are chosen in the <Link to="/explorations">table of explorations</Link>.
            </p>
          </Blank>
        </Panel>
      )}
    </div>
  );
}

interface Column {
  readonly title: string;
  readonly href: string;
}

interface Loaded {
  readonly columns: readonly Column[];
  readonly groups: readonly { readonly title: string; readonly rows: readonly CompareRow[] }[];
}

function Designs({ refs }: { readonly refs: readonly DesignRef[] }): JSX.Element {
  const key = refs.map((ref) => `${ref.exploration}:${ref.index}`).join();
  return <Comparison key={key} load={() => loadDesigns(refs)} />;
}

function Explorations({ ids }: { readonly ids: readonly string[] }): JSX.Element {
  return <Comparison key={ids.join()} load={() => loadExplorations(ids)} />;
}

async function loadDesigns(refs: readonly DesignRef[]): Promise<Loaded> {
  const designs: readonly FrontDesign[] = await Promise.all(refs.map((ref) => getDesign(ref.exploration, ref.index)));
  const flat = designs.map((entry) => flatDesign(entry.design as unknown as Record<string, unknown>));
  const parameters = [...new Set(flat.flatMap((map) => [...map.keys()]))];
  return {
    columns: refs.map((ref) => ({ title: `Design #${ref.index}`, href: formatPage({ name: "design", id: ref.exploration, index: ref.index }) })),
    groups: [
      { title: "Metrics", rows: metricRows(designs.map((entry) => entry.metrics)) },
      { title: "Parameters", rows: parameters.map((name) => compareRow(name, flat.map((map) => map.get(name)))) },
    ],
  };
}

function metricRows(metrics: readonly Readonly<Record<string, number | null>>[]): CompareRow[] {
  return [...REGISTRY.metrics.keys()].map((name) => compareRow(name, metrics.map((one) => one[name]))).filter((row) => row.values.some((value) => value !== null));
}

async function loadExplorations(ids: readonly string[]): Promise<Loaded> {
  const explorations: readonly Exploration[] = await Promise.all(ids.map(getExploration));
  const fronts = await Promise.all(ids.map(getFront));
  const best = (name: string): (number | null)[] =>
    fronts.map(({ table }) => {
      const values = table.numbers(name);
      const known = values === null ? [] : [...values].filter((value) => !Number.isNaN(value));
      return known.length === 0 ? null : metricOf(name).sense === "min" ? Math.min(...known) : Math.max(...known);
    });
  const of = (title: string, value: (exploration: Exploration) => number | string | null): CompareRow => compareRow(title, explorations.map(value));
  return {
    columns: explorations.map((exploration) => ({ title: explorationTitle(exploration), href: formatPage({ name: "exploration", id: exploration.id }) })),
    groups: [
      { title: "Best of each metric on the front", rows: [...REGISTRY.metrics.keys()].map((name) => compareRow(name, best(name))).filter((row) => row.values.some((value) => value !== null)) },
      {
        title: "Search",
        rows: [
          of("model", (one) => one.model),
          of("device", (one) => one.device),
          of("prompt tokens", (one) => one.workload.prompt_tokens),
          of("output tokens", (one) => one.workload.output_tokens),
          of("method", (one) => one.method),
          of("designs on the front", (one) => one.front_size),
          of("evaluations", (one) => one.record?.evaluations ?? null),
          of("designs per second", (one) => one.record?.designs_per_s ?? null),
          of("hypervolume", (one) => one.record?.hypervolume ?? null),
          of("seconds", (one) => one.record?.seconds ?? null),
        ],
      },
    ],
  };
}

function Comparison({ load }: { readonly load: () => Promise<Loaded> }): JSX.Element {
  const loaded = useMemo(() => resource(load), []);
  useEffect(() => void loaded.load(), [loaded]);
  const { data, error } = loaded.state.value;
  if (error !== null) return <Failure error={error} retry={() => void loaded.load()} />;
  if (data === null) return <Skeleton label="Loading what is compared" lines={12} />;
  return (
    <Panel title="Side by side" note="differences first, the widest apart on top; the better value is marked" flush tools={<ProvenanceBadge provenance="analytical" />}>
      <div class={css.scroll} tabIndex={0} role="region" aria-label="Table of the comparison">
        <table class={css.table} aria-label="Comparison">
          <thead>
            <tr>
              <td />
              {data.columns.map((column) => (
                <th key={column.href} scope="col">
                  <Link to={column.href}>{column.title}</Link>
                </th>
              ))}
            </tr>
          </thead>
          {data.groups.map((group) => (
            <tbody key={group.title}>
              <tr class={css.group}>
                <th scope="rowgroup" colSpan={data.columns.length + 1}>
                  {group.title}
                </th>
              </tr>
              {differencesFirst(group.rows).map((row) => (
                <Row key={row.name} row={row} />
              ))}
            </tbody>
          ))}
        </table>
      </div>
    </Panel>
  );
}

function Row({ row }: { readonly row: CompareRow }): JSX.Element {
  const isMetric = REGISTRY.metrics.has(row.name);
  const metric = metricOf(row.name);
  const best = isMetric ? bestOf(row.values, metric.sense) : -1;
  const text = (value: number | string): string => (typeof value === "string" ? value : isMetric ? formatMetric(metric, value) : formatNumber(value));
  return (
    <tr data-differs={row.differs}>
      <th scope="row" title={isMetric ? metric.definition : undefined}>
        {isMetric ? metric.title : row.name.replaceAll("_", " ").replaceAll(".", " · ")}
      </th>
      {row.values.map((value, i) => (
        <td key={i} data-best={i === best}>
          {value === null ? <Missing /> : text(value)}
          {i === best && (
            <span class={css.best} title="the better value">
              {" "}
              ✓<span class="visually-hidden">better</span>
            </span>
          )}
        </td>
      ))}
    </tr>
  );
}
