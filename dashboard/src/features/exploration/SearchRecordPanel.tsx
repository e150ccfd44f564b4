/** How the search narrowed the space down, and what its hypervolume is measured against. */
import type { JSX } from "preact";
import type { SearchRecord } from "../../domain/documents";
import { formatMetric, type MetricInfo } from "../../domain/metrics";
import { formatLargeCount } from "../../domain/units";
import { Panel } from "../../ui/basics";
import css from "./exploration.module.css";

interface SearchRecordPanelProps {
  readonly record: SearchRecord;
  readonly objectives: readonly MetricInfo[];
}

export function SearchRecordPanel({ record, objectives }: SearchRecordPanelProps): JSX.Element {
  const stages = record.stages ?? [];
  return (
    <Panel
      title="Search record"
      note={record.exact ? "every legal design is accounted for: no design outside the front is better" : "sampled: better designs may exist"}
    >
      {stages.length > 0 && (
        <table class={css.plain}>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">Legal</th>
              <th scope="col">Feasible</th>
              <th scope="col">Non-dominated</th>
            </tr>
          </thead>
          <tbody>
            {stages.map((stage) => (
              <tr key={stage.stage}>
                <th scope="row">{stage.stage}</th>
                <td>{formatLargeCount(stage.legal_designs)}</td>
                <td>{formatLargeCount(stage.feasible_designs)}</td>
                <td>{formatLargeCount(stage.non_dominated_designs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {record.reference_point.length === objectives.length && record.hypervolume !== null && (
        <p class={css.textNote}>
          Hypervolume on log-scaled objectives, between{" "}
          {objectives.map((metric, k) => (
            <span key={metric.name}>
              {k > 0 && "; "}
              {metric.title} {formatMetric(metric, record.ideal_point[k])} and {formatMetric(metric, record.reference_point[k])}
            </span>
          ))}
          .
        </p>
      )}
    </Panel>
  );
}
