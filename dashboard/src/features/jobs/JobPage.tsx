/** One job: its stages in time, its live log, and why it failed. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../../api/client";
import { getJob, type Job } from "../../api/jobs";
import { jobPhases, KIND_TITLES } from "../../domain/jobs";
import { isFinished } from "../../domain/live";
import { formatDuration, formatQuantity } from "../../domain/units";
import { StackedBar } from "../../plots/StackedBar";
import { now } from "../../state/explorations";
import { usePolled } from "../../state/polled";
import { Blank, Failure, Panel, Skeleton, StateLabel } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { JobActions } from "./JobActions";
import { JobLog } from "./JobLog";
import css from "./jobs.module.css";

export function JobPage({ id }: { readonly id: string }): JSX.Element {
  const job = usePolled(id, () => getJob(id), (data) => !isFinished(data.state));
  const { data, error } = job.state.value;
  useEffect(() => {
    document.title = `Job ${id} · FlexDSE`;
  }, [id]);
  if (data === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank title="There is no such job">
          <p>
            <code>{id}</code> is not known here. <Link to="/jobs">Go to the jobs</Link>.
          </p>
        </Blank>
      );
    }
    return error !== null ? <Failure error={error} retry={() => void job.load()} /> : <Skeleton label="Loading the job" lines={8} />;
  }
  return (
    <div class={css.page}>
      <header class={css.head}>
        <div>
          <h1>
            {KIND_TITLES[data.kind] ?? data.kind} <code>{data.id}</code>
          </h1>
          <p class={css.sub}>
            queue {data.queue}, attempt {data.attempt} of {data.max_attempts}, priority {data.priority}
          </p>
        </div>
        <div class={css.headTools}>
          <StateLabel state={data.state} />
          <JobActions job={data} onChange={() => void job.load()} />
        </div>
      </header>
      {data.error !== null && <Failure error={new ApiError({ title: data.error.title, detail: data.error.detail, status: data.error.status, errors: [] })} />}
      <Timeline job={data} />
      <JobLog id={id} version={data.attempt} />
    </div>
  );
}

function Timeline({ job }: { readonly job: Job }): JSX.Element {
  const phases = jobPhases(job, now.value);
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  return (
    <Panel title="Timeline" note={`${formatDuration(total)} since it was submitted`}>
      <StackedBar
        label="Timeline of the job"
        parts={phases.map((phase) => ({
          key: phase.title,
          value: Math.max(phase.seconds, total / 1000),
          title: phase.title,
          detail: formatDuration(phase.seconds),
          colour: `var(--${phase.colour})`,
          ink: `var(--${phase.colour}-ink)`,
        }))}
      />
      <ul class={css.keys}>
        {phases.map((phase) => (
          <li key={phase.title}>
            <span class={css.swatch} style={{ background: `var(--${phase.colour})` }} />
            {phase.title} <strong>{formatQuantity(phase.seconds, "s")}</strong>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
