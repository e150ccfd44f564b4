/** From a project to its proof: generate, C simulation, timed simulation, synthesis; each is a job. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { downloadHref, type Project, type Report, reportOf, type Run, startRun, type Step } from "../../api/projects";
import { isFinished } from "../../domain/live";
import { runSummary, STEPS } from "../../domain/runs";
import { formatPage } from "../../state/route";
import { formatDuration, formatQuantity } from "../../domain/units";
import { now } from "../../state/explorations";
import { Button, buttonClass, Failure, StateLabel } from "../../ui/basics";
import { Link } from "../../ui/Link";
import css from "./project.module.css";

interface ProjectStepsProps {
  readonly project: Project;
  readonly runs: readonly Run[];
  readonly onChange: () => void;
}

export function ProjectSteps({ project, runs, onChange }: ProjectStepsProps): JSX.Element {
  const isReady = project.state === "succeeded";
  return (
    <ol class={css.steps} aria-label="Steps of the project">
      <li class={css.step}>
        <strong>Generate</strong>
        <StateLabel state={project.state} />
        <Link to={formatPage({ name: "job", id: project.job_id })}>Job and log</Link>
        <span class={css.stepEnd}>
          {project.download !== null && (
            <a class={buttonClass} href={downloadHref(project.id)} download>
              Download zip{project.download_bytes === null ? "" : ` (${formatQuantity(project.download_bytes, "B")})`}
            </a>
          )}
        </span>
        {project.error !== null && <p class={css.failed}>{project.error.detail}</p>}
      </li>
      {STEPS.map(({ step, title, meaning }) => (
        <RunStep key={step} project={project} step={step} title={title} meaning={meaning} runs={runs.filter((run) => run.step === step)} isReady={isReady} onChange={onChange} />
      ))}
    </ol>
  );
}

interface RunStepProps extends ProjectStepsProps {
  readonly step: Step;
  readonly title: string;
  readonly meaning: string;
  readonly isReady: boolean;
}

function RunStep({ project, step, title, meaning, runs, isReady, onChange }: RunStepProps): JSX.Element {
  const [error, setError] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const latest = runs[0];
  const isBusy = latest !== undefined && !isFinished(latest.state);
  const start = async (): Promise<void> => {
    setSending(true);
    setError(null);
    try {
      await startRun(project.id, step);
      onChange();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    } finally {
      setSending(false);
    }
  };
  return (
    <li class={css.step} data-step={step}>
      <strong title={meaning}>{title}</strong>
      {latest === undefined ? <span class={css.note}>{meaning}</span> : <RunResult key={latest.id} run={latest} />}
      <span class={css.stepEnd}>
        <Button disabled={!isReady || isBusy || sending} onClick={() => void start()}>
          {latest?.state === "queued" || sending ? "Waiting…" : isBusy ? "Running…" : latest === undefined ? `Run ${title}` : "Run again"}
        </Button>
      </span>
      {error !== null && <Failure error={error} />}
    </li>
  );
}

/** What a run came to, from its report. */
function RunResult({ run }: { readonly run: Run }): JSX.Element {
  const [report, setReport] = useState<Report | null>(null);
  const ended = isFinished(run.state);
  useEffect(() => {
    if (ended) reportOf(run.id).then(setReport, () => setReport(null));
  }, [run.id, ended]);
  const verdict = run.passed === null ? null : run.passed ? "PASS" : "FAIL";
  return (
    <>
      <StateLabel state={run.state} />
      {verdict !== null && (
        <strong class={css.verdict} data-passed={run.passed}>
          {verdict}
        </strong>
      )}
      {report !== null && <span>{runSummary(report.document)}</span>}
      <Link to={formatPage({ name: "job", id: run.job_id })}>Job and log</Link>
      {!ended && run.started_at !== null && <span>for {formatDuration((now.value - Date.parse(run.started_at)) / 1000)}</span>}
      {run.error !== null && <p class={css.failed}>{run.error.detail}</p>}
    </>
  );
}
