/** One job: its stages in time, its live log, and why it failed. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { getJob, type Job, type LogLine, tellChanges } from "../../api/jobs";
import { attemptPhases, type JobChange, type JobPhase, jobPhases, KIND_TITLES, logStages } from "../../domain/jobs";
import { isFinished } from "../../domain/live";
import { formatDuration } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StackedBar } from "../../plots/StackedBar";
import { now } from "../../state/explorations";
import { usePolled } from "../../state/polled";
import { Blank, Failure, Skeleton, StateLabel } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { JobActions } from "./JobActions";
import { JobLog } from "./JobLog";
import { JobSubject } from "./JobSubject";
import css from "./jobs.module.css";

export function JobPage({ id }: { readonly id: string }): JSX.Element {
  const job = usePolled(id, () => getJob(id), (data) => !isFinished(data.state));
  const { data, error } = job.state.value;
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  useEffect(() => {
    document.title = `Job ${id} · FlexDSE`;
  }, [id]);
  if (data === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank isPage title="There is no such job">
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
            of <JobSubject resource={data.resource} />, queue {data.queue}, attempt {data.attempt} of {data.max_attempts}, priority {data.priority}
          </p>
        </div>
        <div class={css.headTools}>
          <StateLabel state={data.state} />
          <JobActions job={data} onChange={() => void job.load()} />
        </div>
      </header>
      {data.error !== null && <Failure error={new ApiError({ title: data.error.title, detail: data.error.detail, status: data.error.status, errors: [] })} />}
      <Timeline job={data} lines={lines} />
      <JobLog id={id} version={data.attempt} lines={lines} setLines={setLines} />
    </div>
  );
}

/** Every change of the state of a job, as the server remembers them. */
function useChanges(job: Job): readonly JobChange[] {
  const [changes, setChanges] = useState<readonly JobChange[]>([]);
  useEffect(() => {
    setChanges([]);
    const isKnown = (all: readonly JobChange[], { state, at }: JobChange): boolean => all.some((one) => one.state === state && one.at === at);
    return tellChanges(job.id, (change) => setChanges((before) => (isKnown(before, change) ? before : [...before, change])));
  }, [job.id, job.state, job.attempt, job.started_at]);
  // What was forgotten already is not drawn as if it had not been.
  return changes[0]?.state === "queued" ? changes : [];
}

function Timeline({ job, lines }: { readonly job: Job; readonly lines: readonly LogLine[] }): JSX.Element {
  const changes = useChanges(job);
  const phases = changes.length > 0 ? attemptPhases(changes, now.value) : jobPhases(job, now.value);
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const stages = logStages(lines, job.finished_at === null ? now.value : Date.parse(job.finished_at));
  return (
    <ChartPanel title="Timeline" file={`job-${job.id}-timeline`} note={`${formatDuration(total)} since it was submitted`}>
      <Phases label="Timeline of the job" phases={phases} />
      {stages.length > 0 && <Phases label="Stages of its last attempt" phases={stages} />}
    </ChartPanel>
  );
}

function Phases({ label, phases }: { readonly label: string; readonly phases: readonly JobPhase[] }): JSX.Element {
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  return (
    <div class={css.phases}>
      <h3>{label}</h3>
      <StackedBar
        label={label}
        parts={phases.map((phase, i) => ({
          key: `${phase.title} ${i}`,
          value: Math.max(phase.seconds, total / 1000),
          title: phase.title,
          detail: formatDuration(phase.seconds),
          colour: `var(--${phase.colour})`,
          ink: `var(--${phase.colour}-ink)`,
        }))}
      />
      <ul class={css.keys}>
        {phases.map((phase, i) => (
          <li key={i}>
            <span class={css.swatch} style={{ background: `var(--${phase.colour})` }} />
            {phase.title} <strong>{formatDuration(phase.seconds)}</strong>
          </li>
        ))}
      </ul>
    </div>
  );
}
