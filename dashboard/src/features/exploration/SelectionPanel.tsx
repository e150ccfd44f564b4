/** What is selected, by which rules, and the ways to take it along. */
import type { JSX } from "preact";
import type { FrontView } from "../../domain/columns";
import { formatMetric } from "../../domain/metrics";
import { countSelected, isEmpty, NO_SELECTION, type Selection, withRange } from "../../domain/selection";
import { formatCount, formatNumber } from "../../domain/units";
import { metricOf, REGISTRY } from "../../domain/registry";
import type { OpenExploration } from "../../state/exploration";
import { route, setView } from "../../state/router";
import { Button, Panel } from "../../ui/basics";
import { Exports } from "./Exports";
import { RuleForm } from "./RuleForm";
import css from "./exploration.module.css";

interface SelectionPanelProps {
  readonly opened: OpenExploration;
  readonly front: FrontView;
  readonly hasEvaluations: boolean;
}

export function SelectionPanel({ opened, front, hasEvaluations }: SelectionPanelProps): JSX.Element {
  const { selection } = route.value.view;
  const frontMask = opened.frontMask.value;
  const cloudMask = opened.cloudMask.value;
  const cloud = opened.cloud.table.value;
  const chosen = frontMask === null ? front.table.rows : countSelected(frontMask);
  return (
    <Panel
      title={isEmpty(selection) ? "All designs" : "Selection"}
      note={isEmpty(selection) ? "draw a lasso, brush a histogram or an axis: every view shows the same selection" : undefined}
      tools={!isEmpty(selection) && <Button onClick={() => setView({ selection: NO_SELECTION })}>Clear</Button>}
    >
      <div class={css.selection} role="status" aria-label="Selection">
        <Count number={chosen} of={front.table.rows} text="designs of the front" />
        {cloud !== null && cloudMask !== null && <Count number={countSelected(cloudMask)} of={cloud.rows} text={opened.cloud.isFull.value ? (opened.cloud.rowsAre.value === "sampled" ? "sampled designs" : "evaluations") : "of the sample, counting all…"} />}
        {!isEmpty(selection) && <Rules selection={selection} />}
      </div>
      <RuleForm front={front} />
      <Exports opened={opened} front={front.table} hasEvaluations={hasEvaluations} />
    </Panel>
  );
}

function Count({ number, of, text }: { readonly number: number; readonly of: number; readonly text: string }): JSX.Element {
  return (
    <span>
      <strong>{formatCount(number)}</strong> of {formatCount(of)} {text}
    </span>
  );
}

function Rules({ selection }: { readonly selection: Selection }): JSX.Element {
  return (
    <ul class={css.rules} aria-label="Rules of the selection">
      {selection.lasso !== null && (
        <Rule text={`within the lasso on ${metricOf(selection.lasso.x).title} and ${metricOf(selection.lasso.y).title}`} onRemove={() => setView({ selection: { ...selection, lasso: null } })} />
      )}
      {selection.ranges.map(({ column, low, high }) => (
        <Rule key={column} text={`${columnTitle(column)} ${rangeText(column, low)} to ${rangeText(column, high)}`} onRemove={() => setView({ selection: withRange(selection, column, null) })} />
      ))}
    </ul>
  );
}

function columnTitle(column: string): string {
  return REGISTRY.metrics.has(column) ? metricOf(column).title : column.replace(".", " ").replaceAll("_", " ");
}

function rangeText(column: string, value: number): string {
  return REGISTRY.metrics.has(column) ? formatMetric(metricOf(column), value) : formatNumber(value);
}

function Rule({ text, onRemove }: { readonly text: string; readonly onRemove: () => void }): JSX.Element {
  return (
    <li class={css.rule}>
      {text}
      <button type="button" aria-label={`Remove: ${text}`} onClick={onRemove}>
        ×
      </button>
    </li>
  );
}
