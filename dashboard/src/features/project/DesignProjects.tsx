/** On the page of a design: generate its project, or go on with the one that is there. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { generateProject, getProject, listProjectsOf, listRuns, type Project } from "../../api/projects";
import { isFinished } from "../../domain/live";
import { usePolled } from "../../state/polled";
import { formatPage } from "../../state/route";
import { Button, Failure, Panel } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { ProjectSteps } from "./ProjectSteps";
import css from "./project.module.css";

interface DesignProjectsProps {
  readonly exploration: string;
  readonly index: number;
  readonly designKey: string;
  readonly model: string;
  readonly device: string;
}

export function DesignProjects({ exploration, index, designKey, model, device }: DesignProjectsProps): JSX.Element {
  const known = usePolled(`${exploration}:${index}`, () => listProjectsOf(designKey), (items) => items.some((item) => !isFinished(item.state)));
  const [error, setError] = useState<Error | null>(null);
  const [sending, setSending] = useState(false);
  const latest = known.state.value.data?.find((item) => item.model === model && item.device === device);
  const generate = async (): Promise<void> => {
    setSending(true);
    setError(null);
    try {
      await generateProject(exploration, index);
      await known.load();
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    } finally {
      setSending(false);
    }
  };
  return (
    <Panel
      title="Generate and prove"
      note="the HLS project of this design, written by the server's workers"
      tools={
        <Button primary={latest === undefined} disabled={sending} onClick={() => void generate()}>
          {sending ? "Sending…" : latest === undefined ? "Generate project" : "Generate again"}
        </Button>
      }
    >
      {error !== null && <Failure error={error} />}
      {latest === undefined ? (
        <p class={css.note}>No project yet. Generating takes seconds; then it can be simulated, synthesized and downloaded.</p>
      ) : (
        <LatestProject key={latest.id} id={latest.id} />
      )}
    </Panel>
  );
}

function LatestProject({ id }: { readonly id: string }): JSX.Element | null {
  const project = usePolled<Project>(id, () => getProject(id), (data) => !isFinished(data.state));
  const runs = usePolled(id, () => listRuns(id), (data) => data.some((run) => !isFinished(run.state)));
  const { data, error } = project.state.value;
  if (data === null) return error === null ? null : <Failure error={error} retry={() => void project.load()} />;
  return (
    <>
      <ProjectSteps project={data} runs={runs.state.value.data ?? []} onChange={() => void runs.load()} />
      <p>
        <Link to={formatPage({ name: "project", id })}>Open the project with its files</Link>
      </p>
    </>
  );
}
