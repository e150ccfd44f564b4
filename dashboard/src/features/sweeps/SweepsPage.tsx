/** The sweeps: nights on a calendar, and the morning report of one. */
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { getSweepReport, listSweeps, type SweepReport, type SweepSummary } from "../../api/sweeps";
import { METHOD_TITLES } from "../../domain/exploration";
import { isFinished } from "../../domain/live";
import { formatMetric } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { calendarWeeks } from "../../domain/sweeps";
import { formatCount, formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { usePolled } from "../../state/polled";
import { formatPage } from "../../state/route";
import { Blank, Command, Failure, Missing, Panel, Skeleton, StateLabel } from "../../ui/basics";
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
            <p>A sweep explores models, cards and workloads in all combinations. It is written as a file and started on the command line:</p>
            <Command text="flexdse sweep run sweep.yaml --server URL" />
          </Blank>
        </Panel>
      ) : (
        <>
          <Calendar sweeps={data} />
          <Panel title="All sweeps" note="newest first" flush>
            <ul class={css.list}>
              {data.map((sweep) => (
                <li key={sweep.id}>
                  <Link to={formatPage({ name: "sweep", id: sweep.id })}>{sweep.name || sweep.id}</Link>
                  <span>{formatCount(total(sweep))} explorations</span>
                  <span>{stateText(sweep)}</span>
                  <time dateTime={sweep.created_at}>{sweep.created_at.slice(0, 16).replace("T", " ")}</time>
                </li>
              ))}
            </ul>
          </Panel>
        </>
      )}
    </div>
  );
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
    <Panel title="Calendar" note="sweeps started on each day (UTC)">
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
    </Panel>
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
    <div class={css.scroll} tabIndex={0} role="region" aria-label="Table of the report">
      <table class={css.table} aria-label="Morning report">
        <thead>
          <tr>
            {["Exploration", "State", "Workload", "Method", "Evaluations", "Front", "Hypervolume", "Took"].map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
            {objectives.map((name) => (
              <th key={name} scope="col">
                {metricOf(name).title}
              </th>
            ))}
          </tr>
        </thead>
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
              <td>{row.evaluations === null ? <Missing /> : formatLargeCount(row.evaluations)}</td>
              <td>{row.front_size === null ? <Missing /> : formatCount(row.front_size)}</td>
              <td>{row.hypervolume === null ? <Missing /> : formatNumber(row.hypervolume)}</td>
              <td>{row.seconds === null ? <Missing /> : formatDuration(row.seconds)}</td>
              {objectives.map((name) => {
                const value = (row.best as Record<string, number | null> | null)?.[name] ?? null;
                return <td key={name}>{value === null ? <Missing /> : formatMetric(metricOf(name), value)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
