/** What is selected, by which rules, and the ways to take it along. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { getFrontEntries } from "../../api/explorations";
import { tableHref } from "../../api/evaluations";
import type { FrontView } from "../../domain/columns";
import { tableCsv } from "../../domain/csv";
import { formatMetric } from "../../domain/metrics";
import { countSelected, isEmpty, NO_SELECTION, type Selection, withRange } from "../../domain/selection";
import type { Table } from "../../domain/table";
import { formatCount, formatNumber } from "../../domain/units";
import { metricOf, REGISTRY } from "../../domain/registry";
import type { OpenExploration } from "../../state/exploration";
import { route, setView } from "../../state/router";
import { Button, buttonClass, Failure, Panel } from "../../ui/basics";
import { downloadBlob, downloadJson, downloadText } from "../../ui/download";
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
        {cloud !== null && cloudMask !== null && <Count number={countSelected(cloudMask)} of={cloud.rows} text={opened.cloud.isFull.value ? "evaluations" : "of the sample, counting all…"} />}
        {!isEmpty(selection) && <Rules selection={selection} />}
      </div>
      <Exports opened={opened} front={front.table} frontMask={frontMask} cloud={cloud} cloudMask={cloudMask} hasEvaluations={hasEvaluations} />
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

interface ExportsProps {
  readonly opened: OpenExploration;
  readonly front: Table;
  readonly frontMask: Uint8Array | null;
  readonly cloud: Table | null;
  readonly cloudMask: Uint8Array | null;
  readonly hasEvaluations: boolean;
}

/** The front in three formats; of the evaluations the selected rows, or the server's file of all of them. */
function Exports({ opened, front, frontMask, cloud, cloudMask, hasEvaluations }: ExportsProps): JSX.Element {
  const [error, setError] = useState<Error | null>(null);
  const run = (action: () => Promise<void> | void) => async (): Promise<void> => {
    setError(null);
    try {
      await action();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    }
  };
  const name = `front-${opened.id.slice(-8)}`;
  const parquet = async (table: Table, mask: Uint8Array | null, file: string): Promise<void> => {
    const { tableParquet } = await import("./parquet");
    downloadBlob(file, new Blob([tableParquet(table, mask)], { type: "application/vnd.apache.parquet" }));
  };
  const json = async (): Promise<void> => {
    const entries = await getFrontEntries(opened.id);
    downloadJson(
      `${name}.json`,
      entries.filter((entry) => frontMask === null || frontMask[entry.index] === 1).map(({ design, metrics }) => ({ design, metrics })),
    );
  };
  return (
    <div class={css.exports}>
      <span>Designs of the front:</span>
      <Button onClick={() => downloadText(`${name}.csv`, "text/csv", tableCsv(front, frontMask))}>CSV</Button>
      <Button onClick={() => void run(() => parquet(front, frontMask, `${name}.parquet`))()}>Parquet</Button>
      <Button onClick={() => void run(json)()}>JSON</Button>
      {hasEvaluations && (
        <>
          <span>Evaluations:</span>
          {cloud !== null && cloudMask !== null ? (
            <>
              <Button disabled={!opened.cloud.isFull.value} onClick={() => downloadText(`evaluations-${opened.id.slice(-8)}.csv`, "text/csv", tableCsv(cloud, cloudMask))}>
                Selected as CSV
              </Button>
              <Button disabled={!opened.cloud.isFull.value} onClick={() => void run(() => parquet(cloud, cloudMask, `evaluations-${opened.id.slice(-8)}.parquet`))()}>
                Selected as Parquet
              </Button>
            </>
          ) : (
            (["csv", "parquet"] as const).map((format) => (
              <a key={format} class={buttonClass} href={tableHref(opened.id, "evaluations", format)} download={`evaluations-${opened.id.slice(-8)}.${format}`}>
                All as {format === "csv" ? "CSV" : "Parquet"}
              </a>
            ))
          )}
        </>
      )}
      {error !== null && <Failure error={error} />}
    </div>
  );
}
