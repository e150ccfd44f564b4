/** One generated project: what it is of, its steps, its files. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError } from "../../api/client";
import { getProject, listRuns } from "../../api/projects";
import { isFinished } from "../../domain/live";
import { formatAge, formatCount } from "../../domain/units";
import { now } from "../../state/explorations";
import { usePolled } from "../../state/polled";
import { Blank, Failure, Panel, Skeleton } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { FilesPanel } from "./FilesPanel";
import { ProjectSteps } from "./ProjectSteps";
import { RunReports } from "./RunReports";
import css from "./project.module.css";

export function ProjectPage({ id }: { readonly id: string }): JSX.Element {
  const project = usePolled(id, () => getProject(id), (data) => !isFinished(data.state));
  const runs = usePolled(id, () => listRuns(id), (data) => data.some((run) => !isFinished(run.state)));
  const { data, error } = project.state.value;
  useEffect(() => {
    document.title = `${data?.name || "Project"} · FlexDSE`;
  }, [data?.name]);
  if (data === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank isPage title="There is no such project">
          <p>
            <code>{id}</code> is not known here, or it was removed. <Link to="/explorations">Go to the explorations</Link>.
          </p>
        </Blank>
      );
    }
    return error !== null ? <Failure error={error} retry={() => void project.load()} /> : <Skeleton label="Loading the project" lines={10} />;
  }
  return (
    <div class={css.page}>
      <header>
        <h1>{data.name || `Project ${data.id}`}</h1>
        <p class={css.sub}>
          <span>{data.model}</span>
          <span>{data.device}</span>
          <span>
            {formatCount(data.workload.prompt_tokens)} prompt → {formatCount(data.workload.output_tokens)} output tokens
          </span>
          <code title="equal exactly for equal designs">{data.design_key}</code>
          <span>{formatAge(data.created_at, now.value)}</span>
        </p>
      </header>
      <Panel title="Steps">
        <ProjectSteps project={data} runs={runs.state.value.data ?? []} onChange={() => void runs.load()} />
      </Panel>
      <RunReports project={id} runs={runs.state.value.data ?? []} />
      {data.state === "succeeded" && <FilesPanel project={id} />}
    </div>
  );
}
