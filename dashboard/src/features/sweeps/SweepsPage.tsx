/** The sweeps: nights on a calendar, and the morning report of one. */
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { cancelSweep, getSweepReport, listSweeps, type SweepReport, type SweepSummary } from "../../api/sweeps";
import { METHOD_TITLES } from "../../domain/exploration";
import { isFinished } from "../../domain/live";
import { formatMetric } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { calendarWeeks } from "../../domain/sweeps";
import { formatCount, formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { usePolled } from "../../state/polled";
import { formatPage } from "../../state/route";
import { Blank, Button, Command, Failure, Missing, Panel, Skeleton, StateLabel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import { Link } from "../../ui/Link";
import css from "./sweeps.module.css";

function total(sweep: SweepSummary): number {
  return Object.values(sweep.explorations as Record<string, number>).reduce((sum, count) => sum + count, 0);
}

export function SweepsPage(): JSX.Element {
  const sweeps = usePolled("sweeps", listSweeps, () => false);
  const { data, error } = sweeps.state.value;
  useEffect(() => {
    document.title = "Sweeps · FlexDSE";
  }, []);
  return (
    <div class={css.page}>
      <h1>Sweeps</h1>
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
              A sweep explores models, cards and workloads in all combinations. It comes onto this server by the REST interface (<code>POST /api/v1/sweeps</code>), with the token of the data folder or an API key:
            </p>
            <Command text={submitCommand()} />
            <p>
              <code>flexdse sweep run</code> runs the nights of a sweep file on a machine of its own; its report is a file there.
            </p>
          </Blank>
        </Panel>
      ) : (
        <>
          <Calendar sweeps={data} />
          <Panel title="All sweeps" note="newest first" flush>
            <DataTable label="Sweeps" nowrap heads={["Sweep", ...numericHeads("Explorations"), "States", "Submitted (UTC)", "Actions"]}>
              <tbody>
                {data.map((sweep) => (
                  <tr key={sweep.id}>
                    <th scope="row">
                      <Link to={formatPage({ name: "sweep", id: sweep.id })}>{sweep.name || sweep.id}</Link>
                    </th>
                    <NumericCell>{formatCount(total(sweep))}</NumericCell>
                    <td>{stateText(sweep)}</td>
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
  const counts = sweep.explorations as Record<string, number>;
  if ((counts["queued"] ?? 0) + (counts["running"] ?? 0) === 0) return null;
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
  const body = { name: "Night", models: ["smollm2-135m"], devices: ["u280", "u55c"], workloads: [{ prompt_tokens: 128, output_tokens: 128 }], search: { method: "exact" } };
  return `curl -X POST ${window.location.origin}/api/v1/sweeps -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
}

function stateText(sweep: SweepSummary): string {
  return Object.entries(sweep.explorations as Record<string, number>)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
}

const WEEKS = 6;
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function Calendar({ sweeps }: { readonly sweeps: readonly SweepSummary[] }): JSX.Element {
  const weeks = useMemo(() => calendarWeeks(sweeps.map((sweep) => sweep.created_at), new Date(), WEEKS), [sweeps]);
  return (
    <ChartPanel title="Calendar" file="sweeps" note="sweeps started on each day (UTC)">
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
                <td key={day.date} data-busy={day.count > 0}>
                  <time dateTime={day.date}>{day.date.slice(5)}</time>
                  {day.count > 0 && <strong>{day.count}</strong>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ChartPanel>
  );
}

export function SweepPage({ id }: { readonly id: string }): JSX.Element {
  const report = usePolled(id, () => getSweepReport(id), (data) => data.rows.some((row) => !isFinished(row.state)));
  const { data, error } = report.state.value;
  useEffect(() => {
    document.title = `${data?.name ?? "Sweep"} · FlexDSE`;
  }, [data?.name]);
  if (data === null) return error !== null ? <Failure error={error} retry={() => void report.load()} /> : <Skeleton label="Loading the report" lines={10} />;
  const ended = data.rows.filter((row) => isFinished(row.state)).length;
  const failed = data.rows.filter((row) => row.state === "failed");
  return (
    <div class={css.page}>
      <h1>{data.name || id}</h1>
      <p class={css.note} role="status">
        {ended} of {data.rows.length} explorations ended, {failed.length} of them failed.
      </p>
      <Panel title="Morning report" note="best value of each objective on the front" flush>
        <Rows rows={data.rows} />
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
      heads={["Exploration", "State", "Workload", "Method", ...numericHeads("Seed", "Evaluations", "Front", "Hypervolume", "Took", ...objectives.map((name) => metricOf(name).title))]}
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
              <Figure row={row} value={row.hypervolume} format={formatNumber} />
              <Figure row={row} value={row.seconds} format={formatDuration} />
              {objectives.map((name) => (
                <Figure key={name} row={row} value={(row.best as Record<string, number | null> | null)?.[name] ?? null} format={(value) => formatMetric(metricOf(name), value)} />
              ))}
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
}

function Figure({ row, value, format }: FigureProps): JSX.Element {
  const reason = row.state === "succeeded" ? "the result does not have it" : isFinished(row.state) ? "it ended without a result" : "known when the search is done";
  return <NumericCell>{value === null ? <Missing reason={reason} /> : format(value)}</NumericCell>;
}
