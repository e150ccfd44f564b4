/** Histograms of the metrics, of all designs and of the selected ones, and the rules that infeasible designs break. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { countNames, histogram } from "../../domain/histogram";
import { ruleTitle } from "../../domain/limits";
import { type MetricInfo, metricScale } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { countSelected, withRange } from "../../domain/selection";
import type { Table } from "../../domain/table";
import { formatCount, formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { HistogramPlot } from "../../plots/HistogramPlot";
import type { Cloud } from "../../state/cloud";
import { route, setView } from "../../state/router";
import { Failure, Panel, Skeleton } from "../../ui/basics";
import css from "./exploration.module.css";

const BINS = 36;
const MOST_RULES = 12;

interface DistributionsPanelProps {
  readonly names: readonly string[];
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly front: Table;
  readonly frontMask: Uint8Array | null;
  /** Null where the evaluations of this search are not kept. */
  readonly cloud: Cloud | null;
  readonly cloudMask: Uint8Array | null;
}

export function DistributionsPanel({ names, registry, front, frontMask, cloud, cloudMask }: DistributionsPanelProps): JSX.Element {
  useEffect(() => cloud?.want(names), [cloud, names.join()]);
  const table = cloud?.table.value ?? null;
  const isReady = table !== null && names.every((name) => table.has(name));
  if (cloud !== null && !isReady) {
    const error = cloud.error.value;
    return (
      <Panel title="Distributions">{error !== null ? <Failure error={error} retry={() => cloud.want(names)} /> : <Skeleton label="Loading the evaluations" lines={6} />}</Panel>
    );
  }
  const shown = isReady ? table : front;
  const mask = isReady ? cloudMask : frontMask;
  const feasible = isReady ? (table.numbers("feasible") as Uint8Array | null) : null;
  return (
    <>
      <ChartPanel title="Distributions" file="distributions" note={noteOf(isReady, cloud)}>
        <div class={css.histograms}>
          {names.map((name) => (
            <MetricHistogram key={name} metric={metricOf(name, registry)} table={shown} keep={feasible} mask={mask} />
          ))}
        </div>
      </ChartPanel>
      {isReady && <RulesPanel table={table} mask={cloudMask} />}
    </>
  );
}

function noteOf(isCloud: boolean, cloud: Cloud | null): string {
  if (!isCloud) return "designs of the front; drag over a histogram to select a range";
  return `feasible designs, ${cloud?.isFull.value === true ? "all that were priced" : "of the sample"}; drag over a histogram to select a range`;
}

interface MetricHistogramProps {
  readonly metric: MetricInfo;
  readonly table: Table;
  readonly keep: Uint8Array | null;
  readonly mask: Uint8Array | null;
}

function MetricHistogram({ metric, table, keep, mask }: MetricHistogramProps): JSX.Element {
  const { selection } = route.value.view;
  const values = table.numbers(metric.name);
  const made = useMemo(() => (values === null ? null : histogram(values, BINS, keep, mask)), [values, keep, mask]);
  const scale = useMemo(() => metricScale(metric, made?.domain ?? []), [metric, made]);
  if (made === null) return <p class={css.textNote}>{metric.title}: no design has a value.</p>;
  const range = selection.ranges.find((candidate) => candidate.column === metric.name);
  return (
    <HistogramPlot
      histogram={made}
      title={metric.title}
      unit={scale.unit}
      factor={scale.factor}
      range={range === undefined ? null : [range.low, range.high]}
      onRange={(next) => setView({ selection: withRange(selection, metric.name, next) })}
    />
  );
}

function RulesPanel({ table, mask }: { readonly table: Table; readonly mask: Uint8Array | null }): JSX.Element {
  const violated = table.names("violated");
  const counts = useMemo(() => (violated === null ? [] : countNames(violated.codes, violated.names, mask)), [violated, mask]);
  const broken = counts.reduce((sum, entry) => sum + entry.count, 0);
  const looked = mask === null ? table.rows : countSelected(mask);
  const which = mask === null ? "" : "selected ";
  const most = counts[0]?.count ?? 1;
  return (
    <ChartPanel title="Why designs are infeasible" file="broken-rules" note={`${formatCount(broken)} of ${formatCount(looked)} ${which}designs break a rule; counted is the first that each breaks`}>
      {counts.length === 0 ? (
        <p>{looked === 0 ? "Nothing is selected." : mask === null ? "Every design here is feasible." : "Every selected design is feasible."}</p>
      ) : (
        <dl class={css.ruleCounts}>
          {counts.slice(0, MOST_RULES).map(({ name, count }) => (
            <div key={name} class={css.ruleCount}>
              <dt>{ruleTitle(name)}</dt>
              <dd>
                <span class={css.ruleBar} style={{ width: `${(count / most) * 100}%` }} />
              </dd>
              <dd>{formatCount(count)}</dd>
              <dd>{formatQuantity(count / looked, "1", "fraction")}</dd>
            </div>
          ))}
        </dl>
      )}
    </ChartPanel>
  );
}
