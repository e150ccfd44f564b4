/** The sweeps: nights on a calendar, and the morning report of one. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { cancelSweep, getSweep, getSweepReport, listSweeps, type Sweep, type SweepReport, type SweepSummary } from "../../api/sweeps";
import { bestText, METHOD_TITLES } from "../../domain/exploration";
import { isFinished } from "../../domain/live";
import { shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { sweepFile } from "../../domain/sweepDraft";
import { calendarWeeks } from "../../domain/sweeps";
import { formatCount, formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { usePolled } from "../../state/polled";
import { formatPage } from "../../state/route";
import { sweepDraft } from "../../state/sweepDraft";
import { Blank, Button, buttonClass, Command, Failure, Missing, Panel, ProvenanceBadge, Skeleton, StateLabel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { downloadJson } from "../../ui/download";
import { Link } from "../../ui/Link";
import { nightText } from "./night";
import css from "./sweeps.module.css";

function total(sweep: SweepSummary): number {
  return Object.values(sweep.explorations as Record<string, number>).reduce((sum, count) => sum + count, sweep.waiting);
}

function isBusy(sweep: SweepSummary): boolean {
  const counts = sweep.explorations as Record<string, number>;
  return (counts["queued"] ?? 0) + (counts["running"] ?? 0) > 0;
}

export function SweepsPage(): JSX.Element {
  const sweeps = usePolled("sweeps", listSweeps, (all) => all.some(isBusy));
  const { data, error } = sweeps.state.value;
  useEffect(() => {
    document.title = "Sweeps · FlexDSE";
  }, []);
  return (
    <div class={css.page}>
      <header class={css.pageHead}>
        <h1>Sweeps</h1>
        <Link class={buttonClass} to={formatPage({ name: "new-sweep" })}>
          New sweep
        </Link>
      </header>
      {data === null ? (
        error !== null ? (
          <Failure error={error} retry={() => void sweeps.load()} />
        ) : (
          <Skeleton label="Loading the sweeps" lines={8} />
        )
      ) : data.length === 0 ? (
        <Panel title="No sweep yet">
          <Blank title="Nothing ran overnight">
            <p>
              A sweep explores models, cards and workloads in all combinations, at night or at any time. <Link to={formatPage({ name: "new-sweep" })}>Fill in the form</Link>, or send the file of{" "}
              <code>flexdse sweep run</code> as JSON, with the token of the data folder or an API key:
            </p>
            <Command text={submitCommand()} />
          </Blank>
        </Panel>
      ) : (
        <>
          <Calendar sweeps={data} />
          <Panel title="All sweeps" note="newest first" flush>
            <DataTable label="Sweeps" nowrap heads={["Sweep", ...numericHeads("Explorations"), "States", "Next night", "Submitted (UTC)", "Actions"]}>
              <tbody>
                {data.map((sweep) => (
                  <tr key={sweep.id}>
                    <th scope="row">
                      <Link to={formatPage({ name: "sweep", id: sweep.id })}>{sweep.name || sweep.id}</Link>
                    </th>
                    <NumericCell>{formatCount(total(sweep))}</NumericCell>
                    <td>{stateText(sweep)}</td>
                    <td>{sweep.night === null ? <Missing reason={sweep.waiting > 0 ? "it runs at any time" : "nothing of it waits"} /> : nightText(sweep.night)}</td>
                    <td>
                      <time dateTime={sweep.created_at}>{sweep.created_at.slice(0, 16).replace("T", " ")}</time>
                    </td>
                    <td>
                      <CancelSweep sweep={sweep} onChange={() => void sweeps.load()} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </DataTable>
          </Panel>
        </>
      )}
    </div>
  );
}

/** Cancels what of it has not ended. */
function CancelSweep({ sweep, onChange }: { readonly sweep: SweepSummary; readonly onChange: () => void }): JSX.Element | null {
  const [error, setError] = useState<Error | null>(null);
  if (!isBusy(sweep) && sweep.waiting === 0) return null;
  if (error !== null) return <Failure error={error} retry={() => setError(null)} />;
  const cancel = (): void => void cancelSweep(sweep.id).then(onChange, (caught: unknown) => setError(caught instanceof Error ? caught : new Error(String(caught))));
  return (
    <Button aria-label={`Cancel sweep ${sweep.name || sweep.id}`} onClick={cancel}>
      Cancel
    </Button>
  );
}

/** Works as it stands once TOKEN is set. */
function submitCommand(): string {
  const file = sweepFile({ ...sweepDraft.value, models: ["smollm2-135m"], devices: ["u280"], workloads: "128 128" });
  return `curl -X POST ${window.location.origin}/api/v1/sweeps -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '${JSON.stringify(file)}'`;
}

function stateText(sweep: SweepSummary): string {
  const counts = Object.entries(sweep.explorations as Record<string, number>).filter(([, count]) => count > 0);
  return [...counts.map(([state, count]) => `${count} ${state}`), ...(sweep.waiting > 0 ? [`${sweep.waiting} not submitted yet`] : [])].join(", ");
}

const WEEKS = 6;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function Calendar({ sweeps }: { readonly sweeps: readonly SweepSummary[] }): JSX.Element {
  const waiting = sweeps.filter((sweep) => sweep.night !== null);
  const weeks = useMemo(
    () => calendarWeeks(sweeps.map((sweep) => sweep.created_at), new Date(), WEEKS, waiting.map((sweep) => ({ name: sweep.name || sweep.id, startsAt: sweep.night!.starts_at }))),
    [sweeps],
  );
  return (
    <ChartPanel title="Calendar" file="sweeps" note="sweeps submitted on each day (UTC), and the night that is coming or open, on the day on which it starts where it is">
      <table class={css.calendar} aria-label="Sweeps by day">
        <thead>
          <tr>
            {DAYS.map((day) => (
              <th key={day} scope="col">
                {day}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks.map((week) => (
            <tr key={week[0]!.date}>
              {week.map((day) => (
                <td key={day.date} data-busy={day.count > 0} data-coming={day.coming.length > 0}>
                  <time dateTime={day.date}>{day.date.slice(5)}</time>
                  {day.count > 0 && <strong>{day.count}</strong>}
                  {day.coming.length > 0 && (
                    <span class={css.coming}>
                      <span aria-hidden="true">☾ </span>
                      <span class="visually-hidden">coming night: </span>
                      {day.coming.length === 1 ? day.coming[0] : `${day.coming.length} sweeps`}
                    </span>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {waiting.length > 0 && (
        <ul class={css.nights} aria-label="Coming nights">
          {waiting.map((sweep) => (
            <li key={sweep.id}>
              <Link to={formatPage({ name: "sweep", id: sweep.id })}>{sweep.name || sweep.id}</Link>: {formatCount(sweep.waiting)} of {formatCount(total(sweep))} explorations may start in the night of{" "}
              {nightText(sweep.night!)}
            </li>
          ))}
        </ul>
      )}
    </ChartPanel>
  );
}

export function SweepPage({ id }: { readonly id: string }): JSX.Element {
  const load = async (): Promise<SweepReport & { readonly sweep: Sweep }> => {
    const [report, sweep] = await Promise.all([getSweepReport(id), getSweep(id)]);
    return { ...report, sweep };
  };
  const report = usePolled(id, load, ({ rows, sweep }) => rows.some((row) => !isFinished(row.state)) || (sweep.waiting > 0 && sweep.night === null));
  const { data, error } = report.state.value;
  useEffect(() => {
    document.title = `${data?.name ?? "Sweep"} · FlexDSE`;
  }, [data?.name]);
  if (data === null) return error !== null ? <Failure error={error} retry={() => void report.load()} /> : <Skeleton label="Loading the report" lines={10} />;
  const ended = data.rows.filter((row) => isFinished(row.state)).length;
  const failed = data.rows.filter((row) => row.state === "failed");
  const { sweep } = data;
  return (
    <div class={css.page}>
      <header class={css.pageHead}>
        <h1>{data.name || id}</h1>
        <CancelSweep sweep={sweep} onChange={() => void report.load()} />
      </header>
      <p class={css.note} role="status">
        {ended} of {total(sweep)} explorations ended, {failed.length} of them failed
        {sweep.waiting > 0 && `; ${sweep.waiting} are not submitted yet: ${sweep.night === null ? "they wait for those before them" : `they may start in the night of ${nightText(sweep.night)}`}`}.
      </p>
      <details>
        <summary>What was asked for</summary>
        <pre class={css.document} tabIndex={0} aria-label="Document of the sweep">
          {JSON.stringify(sweep.document, null, 2)}
        </pre>
      </details>
      <Panel
        title="Morning report"
        note="best value of each objective on the front"
        flush
        tools={
          <>
            <ProvenanceBadge provenance="analytical" />
            <Button disabled={data.rows.length === 0} onClick={() => downloadJson(`sweep-${id}.json`, { ...data, sweep: undefined })}>
              Save as JSON
            </Button>
          </>
        }
      >
        {data.rows.length === 0 ? <Blank title="Nothing of it has started">{sweep.night !== null && <p>The night of {nightText(sweep.night)} is the next.</p>}</Blank> : <Rows rows={data.rows} />}
      </Panel>
    </div>
  );
}

function Rows({ rows }: { readonly rows: SweepReport["rows"] }): JSX.Element {
  const objectives = [...new Set(rows.flatMap((row) => Object.keys(row.best ?? {})))];
  return (
    <DataTable
      label="Morning report"
      nowrap
      heads={["Exploration", "State", "Workload", "Method", ...numericHeads("Seed", "Evaluations", "Front", "Hypervolume", "Took", ...objectives.map((name) => shortTitle(metricOf(name)))), "Models"]}
    >
      <tbody>
          {rows.map((row) => (
            <tr key={row.exploration_id}>
              <th scope="row">
                <Link to={formatPage({ name: "exploration", id: row.exploration_id })}>
                  {row.model}, {row.device}
                </Link>
              </th>
              <td>
                <StateLabel state={row.state} /> {row.cause}
              </td>
              <td>
                {formatCount(row.workload.prompt_tokens)} → {formatCount(row.workload.output_tokens)}
              </td>
              <td>{METHOD_TITLES[row.method as keyof typeof METHOD_TITLES] ?? row.method}</td>
              <NumericCell>{row.seed}</NumericCell>
              <Figure row={row} value={row.evaluations} format={formatLargeCount} />
              <Figure row={row} value={row.front_size} format={formatCount} />
              <Figure row={row} value={row.hypervolume || null} format={formatNumber} missing="no design of its front is better than the reference point, the worst of the exact front, in every objective" />
              <Figure row={row} value={row.seconds} format={formatDuration} />
              {objectives.map((name) => (
                <Figure key={name} row={row} value={(row.best as Record<string, number | null> | null)?.[name] ?? null} format={(value) => bestText(name, value)} />
              ))}
              <td>{row.model_version ?? <Missing reason={row.state === "succeeded" ? "not noted" : "known when the search is done"} />}</td>
            </tr>
          ))}
      </tbody>
    </DataTable>
  );
}

interface FigureProps {
  readonly row: SweepReport["rows"][number];
  readonly value: number | null;
  readonly format: (value: number) => string;
  /** Why a search that succeeded may not have it. */
  readonly missing?: string;
}

function Figure({ row, value, format, missing = "the result does not have it" }: FigureProps): JSX.Element {
  const reason = row.state === "succeeded" ? missing : isFinished(row.state) ? "it ended without a result" : "known when the search is done";
  return <NumericCell>{value === null ? <Missing reason={reason} /> : format(value)}</NumericCell>;
}
