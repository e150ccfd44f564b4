/** Every metric of the registry with its unit, its error band and where the number comes from. */
import type { JSX } from "preact";
import type { FrontView } from "../../domain/columns";
import type { CostReport, FrontDesign } from "../../domain/documents";
import { bandRange, formatBand } from "../../domain/design";
import { kindOf, type MetricInfo, metricQuantity } from "../../domain/metrics";
import { formatNumber, unitScale } from "../../domain/units";
import { Missing, Panel, ProvenanceBadge } from "../../ui/basics";
import css from "./design.module.css";

interface MetricsPanelProps {
  readonly head: Pick<FrontView["head"], "objectives" | "metrics" | "missing" | "provenance">;
  readonly entry: Pick<FrontDesign, "metrics">;
  readonly report: CostReport | null;
}

export function MetricsPanel({ head, entry, report }: MetricsPanelProps): JSX.Element {
  const isObjective = (metric: MetricInfo): boolean => head.objectives.includes(metric.name);
  const metrics = [...head.metrics].sort((a, b) => Number(isObjective(b)) - Number(isObjective(a)));
  const values = report?.metrics ?? entry.metrics;
  const missing = { ...head.missing, ...report?.missing };
  const provenance = report?.provenance ?? head.provenance;
  return (
    <Panel title="Metrics" note="objectives of the search in bold" tools={<ProvenanceBadge provenance={provenance} />}>
      <table class={css.table} aria-label="Metrics">
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col" class={css.right}>
              Value
            </th>
            <th scope="col">
              <span class="visually-hidden">Unit</span>
            </th>
            <th scope="col" class={css.right}>
              Error band
            </th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => {
            const value = values[metric.name];
            const band = report?.error_band[metric.name];
            return (
              <tr key={metric.name} data-metric={metric.name} data-objective={isObjective(metric)}>
                <th scope="row" title={metric.definition}>
                  {metric.title}
                </th>
                <td class={css.value} data-value={value ?? ""}>
                  {value == null ? <Missing reason={missing[metric.name]} /> : metricQuantity(metric, value).text}
                </td>
                <td class={css.valueUnit}>{metricQuantity(metric, value).unit}</td>
                <td class={`${css.right} ${css.band}`} title={band?.basis}>
                  {band !== undefined && value != null && (
                    <>
                      {rangeText(metric, value, band)} <small>({formatBand(band)})</small>
                    </>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Panel>
  );
}

function rangeText(metric: MetricInfo, value: number, band: { relative_low: number; relative_high: number }): string {
  const [low, high] = bandRange(value, band);
  const scale = unitScale(metric.unit, [value], kindOf(metric));
  return `${formatNumber(low * scale.factor, 3)} … ${formatNumber(high * scale.factor, 3)} ${scale.unit}`;
}
