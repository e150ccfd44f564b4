/** How the search narrowed the space down, and what its hypervolume is measured against. */
import type { JSX } from "preact";
import type { SearchRecord } from "../../domain/documents";
import { noHypervolume } from "../../domain/exploration";
import { formatMetric, type MetricInfo, metricScale } from "../../domain/metrics";
import { formatApart, formatLargeCount } from "../../domain/units";
import { Panel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./exploration.module.css";

interface SearchRecordPanelProps {
  readonly record: SearchRecord;
  readonly objectives: readonly MetricInfo[];
  /** The request changed the default space: what holds, holds within it. */
  readonly narrowed: boolean;
}

export function SearchRecordPanel({ record, objectives, narrowed }: SearchRecordPanelProps): JSX.Element {
  const stages = record.stages ?? [];
  const none = noHypervolume(record);
  return (
    <Panel
      title="Search record"
      note={
        record.exact
          ? `every legal design of ${narrowed ? "the space as it was changed" : "the default space"} is accounted for: none of them outside the front is better`
          : "sampled: better designs may exist"
      }
    >
      {stages.length > 0 && (
        <DataTable label="Stages of the search" inset heads={["Stage", ...numericHeads("Legal", "Feasible", "Non-dominated")]}>
          <tbody>
            {stages.map((stage) => (
              <tr key={stage.stage}>
                <th scope="row">{stage.stage}</th>
                <NumericCell>{formatLargeCount(stage.legal_designs)}</NumericCell>
                <NumericCell>{formatLargeCount(stage.feasible_designs)}</NumericCell>
                <NumericCell>{formatLargeCount(stage.non_dominated_designs)}</NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
      )}
      {none === null ? (
        <Bounds intro="Hypervolume on log-scaled objectives, from the best to the worst of the exact front in each: " objectives={objectives} from={record.ideal_point} to={record.reference_point} />
      ) : (
        <p class={css.textNote}>No hypervolume: {none}.</p>
      )}
      {none !== null && record.own_hypervolume != null && record.own_reference_point !== undefined && (
        <Bounds
          intro={`Own hypervolume ${record.own_hypervolume.toPrecision(4)}, below the worst values of this front itself, and so to be compared with no other front: `}
          objectives={objectives}
          from={null}
          to={record.own_reference_point}
        />
      )}
    </Panel>
  );
}

interface BoundsProps {
  readonly intro: string;
  readonly objectives: readonly MetricInfo[];
  readonly from: readonly number[] | null;
  readonly to: readonly number[];
}

/** The corners of a volume, objective by objective. */
function Bounds({ intro, objectives, from, to }: BoundsProps): JSX.Element | null {
  if (to.length !== objectives.length) return null;
  return (
    <p class={css.textNote}>
      {intro}
      {objectives.map((metric, k) => (
        <span key={metric.name}>
          {k > 0 && "; "}
          {metric.title} {from === null ? formatMetric(metric, to[k]) : rangeText(metric, from[k]!, to[k]!)}
        </span>
      ))}
      .
    </p>
  );
}

function rangeText(metric: MetricInfo, ideal: number, reference: number): string {
  const scale = metricScale(metric, [ideal, reference]);
  const [from, to] = formatApart(ideal * scale.factor, reference * scale.factor);
  return `${ideal === reference ? `throughout ${from}` : `${from} to ${to}`} ${scale.unit}`.trimEnd();
}
