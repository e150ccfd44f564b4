/** Every metric of the registry with its unit, its error band and where the number comes from. */
import type { JSX } from "preact";
import type { FrontView } from "../../domain/columns";
import type { CostReport, FrontDesign } from "../../domain/documents";
import { bandRange, formatBand } from "../../domain/design";
import { kindOf, type MetricInfo, metricQuantity } from "../../domain/metrics";
import { qualityBand } from "../../domain/quality";
import { formatNumber, unitScale } from "../../domain/units";
import { Badge, Missing, Panel, ProvenanceBadge } from "../../ui/basics";
import { DataTable, NumericCell } from "../../ui/DataTable";
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
  const bases = [...new Set(metrics.flatMap(({ name }) => (values[name] == null ? [] : (report?.error_band[name]?.basis ?? []))))];
  return (
    <Panel title="Metrics" note="objectives of the search in bold" tools={<ProvenanceBadge provenance={provenance} />}>
      <DataTable label="Metrics" inset heads={["Metric", { title: "Value", numeric: true }, { title: "Unit", hidden: true }, { title: "Error band", numeric: true }]}>
        <tbody>
          {metrics.map((metric) => {
            const value = values[metric.name];
            const band = report?.error_band[metric.name];
            return (
              <tr key={metric.name} data-metric={metric.name}>
                <th scope="row" class={isObjective(metric) ? css.objective : undefined} title={metric.definition}>
                  {metric.title}
                </th>
                <td class={css.value} data-value={value ?? ""}>
                  {value == null ? <Missing reason={missing[metric.name]} /> : metricQuantity(metric, value).text}
                </td>
                <td class={css.valueUnit}>{metricQuantity(metric, value).unit}</td>
                <NumericCell class={css.band}>
                  {metric.name === "quality" && value != null && report !== null && (
                    <>
                      {qualityBand(report.quality)} <Badge title={report.quality.detail ?? undefined}>{report.quality.kind ?? "source not said"}</Badge>
                    </>
                  )}
                  {band === undefined && value != null && report !== null && metric.name !== "quality" && <Missing reason="no band: nothing was measured that it could be fitted on" />}
                  {band !== undefined && value != null && (
                    <>
                      {rangeText(metric, value, band)} <small>({formatBand(band)})</small> <sup>{bases.indexOf(band.basis) + 1}</sup>
                    </>
                  )}
                </NumericCell>
              </tr>
            );
          })}
        </tbody>
      </DataTable>
      {bases.length > 0 && (
        <details class={css.sources}>
          <summary>What the error bands rest on</summary>
          <ol>
            {bases.map((basis) => (
              <li key={basis}>{basis}</li>
            ))}
          </ol>
        </details>
      )}
    </Panel>
  );
}

function rangeText(metric: MetricInfo, value: number, band: { relative_low: number; relative_high: number }): string {
  const [low, high] = bandRange(value, band);
  const scale = unitScale(metric.unit, [value], kindOf(metric));
  return `${formatNumber(low * scale.factor, 3)} … ${formatNumber(high * scale.factor, 3)} ${scale.unit}`;
}
