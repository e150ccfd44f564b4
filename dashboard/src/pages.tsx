/** Which component shows which page, and the sections of the top bar. Pages load their code when they are opened. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ExplorationPage } from "./features/exploration/ExplorationPage";
import { explorations } from "./state/explorations";
import { formatPage, type Page } from "./state/route";
import { navigate } from "./state/router";
import { Blank, Skeleton } from "./ui/basics";
import { lazyPage } from "./ui/lazy";
import { Link } from "./ui/Link";

const ExplorationsPage = lazyPage(async () => (await import("./features/explorations/ExplorationsPage")).ExplorationsPage);
const NewExplorationPage = lazyPage(async () => (await import("./features/explorations/NewExplorationPage")).NewExplorationPage);
const EvaluationPage = lazyPage(async () => (await import("./features/design/EvaluationPage")).EvaluationPage);
const DesignPage = lazyPage(async () => (await import("./features/design/DesignPage")).DesignPage);

const ProjectPage = lazyPage(async () => (await import("./features/project/ProjectPage")).ProjectPage);
const JobsPage = lazyPage(async () => (await import("./features/jobs/JobsPage")).JobsPage);
const JobPage = lazyPage(async () => (await import("./features/jobs/JobPage")).JobPage);

const ComparePage = lazyPage(async () => (await import("./features/compare/ComparePage")).ComparePage);
const MeasurementsPage = lazyPage(async () => (await import("./features/measurements/MeasurementsPage")).MeasurementsPage);
const SweepsPage = lazyPage(async () => (await import("./features/sweeps/SweepsPage")).SweepsPage);
const NewSweepPage = lazyPage(async () => (await import("./features/sweeps/NewSweepPage")).NewSweepPage);
const SweepPage = lazyPage(async () => (await import("./features/sweeps/SweepsPage")).SweepPage);

interface Section {
  readonly title: string;
  readonly page: Page;
  /** Names of the pages that belong to it. */
  readonly names: readonly Page["name"][];
}

export const SECTIONS: readonly Section[] = [
  { title: "Explorations", page: { name: "explorations" }, names: ["home", "new", "explorations", "exploration", "design", "evaluation", "project"] },
  { title: "Compare", page: { name: "compare" }, names: ["compare"] },
  { title: "Measurements", page: { name: "measurements" }, names: ["measurements"] },
  { title: "Sweeps", page: { name: "sweeps" }, names: ["sweeps", "sweep", "new-sweep"] },
  { title: "Jobs", page: { name: "jobs" }, names: ["jobs", "job"] },
];

export function CurrentPage({ page }: { readonly page: Page }): JSX.Element {
  switch (page.name) {
    case "home":
      return <HomePage />;
    case "new":
      return <NewExplorationPage />;
    case "explorations":
      return <ExplorationsPage />;
    case "exploration":
      return <ExplorationPage key={page.id} id={page.id} />;
    case "design":
      return <DesignPage key={page.id} id={page.id} index={page.index} />;
    case "evaluation":
      return <EvaluationPage key={`${page.id} ${page.row}`} id={page.id} row={page.row} />;
    case "project":
      return <ProjectPage key={page.id} id={page.id} />;
    case "jobs":
      return <JobsPage />;
    case "job":
      return <JobPage key={page.id} id={page.id} />;
    case "compare":
      return <ComparePage />;
    case "measurements":
      return <MeasurementsPage />;
    case "sweeps":
      return <SweepsPage />;
    case "new-sweep":
      return <NewSweepPage />;
    case "sweep":
      return <SweepPage key={page.id} id={page.id} />;
    default:
      return <UnknownPage path={formatPage(page)} />;
  }
}

function UnknownPage({ path }: { readonly path: string }): JSX.Element {
  return (
    <Blank isPage title="There is no such page">
      <p>
        <code>{path}</code> leads nowhere. <Link to="/">Go to the explorations</Link>.
      </p>
    </Blank>
  );
}

/** The newest exploration, or the form where there is none. */
function HomePage(): JSX.Element {
  const { data, error } = explorations.state.value;
  useEffect(() => {
    if (data === null) return;
    const first = data[0];
    navigate(formatPage(first === undefined ? { name: "new" } : { name: "exploration", id: first.id }), { replace: true });
  }, [data]);
  return error !== null ? (
    <Blank title="The server does not answer">
      <p>
        The page comes back by itself as soon as <code>flexdse serve</code> runs again.
      </p>
    </Blank>
  ) : (
    <Skeleton label="Loading the explorations" lines={6} />
  );
}
