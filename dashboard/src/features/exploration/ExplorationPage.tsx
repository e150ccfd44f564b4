/** One exploration: key figures, the Pareto explorer, the table of the front and the record of the search. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { cancelExploration } from "../../api/explorations";
import { ApiError } from "../../api/client";
import type { Exploration } from "../../domain/documents";
import { exploreCommand } from "../../domain/commands";
import { type Columns, frontColumns, undecidedMask } from "../../domain/columns";
import { draftOf } from "../../domain/draft";
import { captionOf, explorationTitle, keyFigures, METHOD_TITLES } from "../../domain/exploration";
import { isFinished, type Live, liveColumns } from "../../domain/live";
import type { MetricInfo } from "../../domain/metrics";
import { metricOf, registryOf } from "../../domain/registry";
import { isEmpty, selectionColumns } from "../../domain/selection";
import type { Table } from "../../domain/table";
import { spaceText } from "../../domain/space";
import { formatCount } from "../../domain/units";
import type { Ring } from "../../plots/scatterLayers";
import { type Axes, chooseAxes, DENSITY, opposingPair } from "../../state/axes";
import { draft } from "../../state/draft";
import { openExploration, type OpenExploration } from "../../state/exploration";
import { refreshExplorations } from "../../state/explorations";
import { references } from "../../state/references";
import { formatPage, type View } from "../../state/route";
import { href, navigate, route, setView } from "../../state/router";
import { Blank, Button, Command, Failure, Panel, ProvenanceBadge, Skeleton, StateLabel } from "../../ui/basics";
import { useCaption } from "../../ui/caption";
import { downloadJson } from "../../ui/download";
import { lazyPage } from "../../ui/lazy";
import { Link } from "../../ui/Link";
import { type Tab, Tabs } from "../../ui/Tabs";
import { DistributionsPanel } from "./DistributionsPanel";
import { FrontTable } from "./FrontTable";
import { KeyFigureStrip } from "./KeyFigureStrip";
import { ParallelPanel } from "./ParallelPanel";
import { ParetoExplorer } from "./ParetoExplorer";
import { ProofPanel } from "./ProofPanel";
import { QualityNote } from "./QualityNote";
import { SearchRecordPanel } from "./SearchRecordPanel";
import { SearchTimePanel } from "./SearchTimePanel";
import { SelectionPanel } from "./SelectionPanel";
import css from "./exploration.module.css";

export function ExplorationPage({ id }: { readonly id: string }): JSX.Element {
  const opened = openExploration(id);
  const { data: exploration, error } = opened.detail.state.value;
  if (exploration === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank isPage title="There is no such exploration">
          <p>
            <code>{id}</code> is not known here, or it was removed. <Link to="/">Go to the newest one</Link>.
          </p>
        </Blank>
      );
    }
    return error !== null ? <Failure error={error} retry={() => void opened.detail.load()} /> : <Skeleton label="Loading the exploration" lines={10} />;
  }
  return <Loaded opened={opened} exploration={exploration} />;
}

/** The parts that a search has before it has a front. */
const WITHOUT_FRONT = new Set(["progress", "command"]);

const ProgressPanel = lazyPage(async () => (await import("./ProgressPanel")).ProgressPanel);

const TABS: readonly Tab[] = [
  { name: "designs", title: "Designs" },
  { name: "distributions", title: "Distributions" },
  { name: "parallel", title: "Parallel coordinates" },
  { name: "progress", title: "Progress and proof" },
  { name: "command", title: "Command line" },
];

function Loaded({ opened, exploration }: { readonly opened: OpenExploration; readonly exploration: Exploration }): JSX.Element {
  const live = opened.live.value;
  const { data: front, error: frontError } = opened.front.state.value;
  const state = live?.state ?? exploration.state;
  const hasFront = front !== null && front.table.rows > 0;
  const registry = registryOf(front);
  const [highlighted, setHighlighted] = useState(-1);

  const progress = live?.progress ?? exploration.progress;
  const columns = useMemo(
    () => (hasFront ? frontColumns(front) : new Map(Object.entries(liveColumns(progress, exploration.objectives)))),
    [front, hasFront, progress, exploration.objectives],
  );
  const undecided = useMemo(() => (hasFront ? undecidedMask(front) : null), [front, hasFront]);
  const view = route.value.view;
  const pair = usePair(columns, exploration.objectives, registry, hasFront);
  const behind = opened.cloud.table.value;
  const axes = useMemo(() => chooseAxes(columns, exploration.objectives, view, pair, (name) => feasibleSpan(behind, name)), [columns, exploration.objectives, view, pair, behind]);
  const points = axes === null ? 0 : columns.get(axes.x)!.length;
  const open = (index: number): void => navigate(href({ name: "design", id: opened.id, index }, axesOnly(view)));
  const openRow = (row: number): void => void opened.cloud.rowInFile(row).then((place) => navigate(href({ name: "evaluation", id: opened.id, row: place }, axesOnly(view))));
  const cloud = useCloudOf(opened, exploration, hasFront ? axes : null);
  const tabs = hasFront ? TABS : TABS.filter((known) => WITHOUT_FRONT.has(known.name));
  const tab = tabs.some((known) => known.name === view.tab) ? view.tab! : tabs[0]!.name;

  return (
    <div class={css.stack}>
      <Head opened={opened} exploration={exploration} live={live} />
      <KeyFigureStrip figures={keyFigures(exploration, live)} history={live?.history ?? []} />
      <Notices exploration={exploration} live={live} />
      {frontError !== null && <Failure error={frontError} retry={() => void opened.front.load()} />}
      <ParetoExplorer
        axes={axes}
        columns={columns}
        registry={registry}
        objectives={exploration.objectives}
        references={useReferences(exploration)}
        live={!hasFront && !isFinished(state)}
        cloud={cloud}
        cloudMask={opened.cloudMask.value}
        frontMask={opened.frontMask.value}
        undecided={undecided}
        knees={points > 1 ? (exploration.record?.knees ?? NO_KNEES) : NO_KNEES}
        rings={useRings(opened, axes)}
        note={hasFront ? cloudNote(opened, points) : undefined}
        highlighted={highlighted}
        empty={emptyText(exploration, state, points, frontError)}
        keyOf={(index) => front?.table.nameAt("key", index) ?? ""}
        onOpen={hasFront ? open : undefined}
        onOpenRow={hasFront ? openRow : undefined}
        onExplore={() => exploration.has_evaluations && opened.cloud.wantAll()}
      />
      {hasFront && <QualityNote front={front} />}
      {hasFront && <SelectionPanel opened={opened} front={front} hasEvaluations={exploration.has_evaluations} />}
      <Tabs
        label="Parts of the exploration"
        tabs={tabs}
        current={tab}
        onPick={(name) => setView({ tab: name })}
      >
        {tab === "designs" && hasFront && axes !== null && (
          <FrontTable
            front={front}
            columns={columns}
            registry={registry}
            shownMetrics={[axes.x, axes.y, axes.colour]}
            mask={opened.frontMask.value}
            hrefOf={(index) => href({ name: "design", id: opened.id, index }, axesOnly(view))}
            onOpen={open}
            onHover={setHighlighted}
          />
        )}
        {tab === "distributions" && hasFront && axes !== null && (
          <DistributionsPanel
            names={shownMetrics(axes, exploration.objectives, columns)}
            registry={registry}
            front={front.table}
            frontMask={opened.frontMask.value}
            cloud={exploration.has_evaluations ? opened.cloud : null}
            cloudMask={opened.cloudMask.value}
          />
        )}
        {tab === "parallel" && hasFront && axes !== null && (
          <ParallelPanel front={front} names={shownMetrics(axes, exploration.objectives, columns)} colour={axes.colour} registry={registry} mask={opened.frontMask.value} />
        )}
        {tab === "progress" && (
          <>
            <ProgressPanel history={live?.history ?? []} finished={isFinished(state)} record={exploration.record} />
            {exploration.record !== null && (
              <>
                <SearchRecordPanel record={exploration.record} objectives={exploration.objectives.map((name) => metricOf(name, registry))} narrowed={exploration.space !== null} />
                <SearchTimePanel exploration={exploration} />
                {exploration.record.proof != null && <ProofPanel record={exploration.record} proof={exploration.record.proof} />}
              </>
            )}
          </>
        )}
        {tab === "command" && <CommandPanel exploration={exploration} />}
      </Tabs>
    </div>
  );
}

const NO_KNEES: readonly number[] = [];

/** Lowest and highest value of what can be built behind the front; null while it is not there. */
function feasibleSpan(table: Table | null, name: string): readonly [number, number] | null {
  const values = table?.numbers(name) ?? null;
  const feasible = table?.numbers("feasible") ?? null;
  if (values === null) return null;
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (Number.isNaN(value) || feasible?.[i] === 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** What goes along to another page: the axes and the designs chosen to compare, not what is selected or open here. */
function axesOnly(view: View): Partial<View> {
  const { x, y, colour, xKind, yKind, designs } = view;
  return { x, y, colour, xKind, yKind, designs };
}

function shownMetrics(axes: Axes, objectives: readonly string[], columns: Columns): string[] {
  return [...new Set([axes.x, axes.y, axes.colour, axes.size, ...objectives])].filter((name) => columns.has(name));
}

/** The table of all that was priced, with the columns that the page looks at; null where there is none. */
function useCloudOf(opened: OpenExploration, exploration: Exploration, axes: Axes | null): Table | null {
  const { selection } = route.value.view;
  const names = axes === null || !exploration.has_evaluations ? [] : [axes.x, axes.y, axes.colour, axes.size, ...selectionColumns(selection)];
  const wanted = [...new Set(names)].filter((name) => name !== "" && name !== DENSITY);
  const all = !isEmpty(selection);
  useEffect(() => {
    if (wanted.length === 0) return;
    if (all) opened.cloud.wantAll();
    opened.cloud.want(wanted);
  }, [opened, wanted.join(), all]);
  return exploration.has_evaluations && axes !== null ? opened.cloud.table.value : null;
}

/** Designs that were measured, with where the measurement lies on these axes. */
function useRings(opened: OpenExploration, axes: Axes | null): readonly Ring[] {
  const { data } = opened.measurements.state.value;
  return useMemo(
    () =>
      axes === null
        ? []
        : (data?.items ?? []).flatMap((item): Ring[] => {
            const { index, provenance, metrics } = item;
            return index === null ? [] : [{ index, kind: provenance, x: metrics[axes.x] ?? null, y: metrics[axes.y] ?? null }];
          }),
    [data, axes?.x, axes?.y],
  );
}

function cloudNote(opened: OpenExploration, points: number): string {
  const { cloud } = opened;
  const rows = cloud.table.value?.rows;
  const front = `${formatCount(points)} on the front`;
  if (cloud.error.value !== null) return `${front}; the evaluations behind it could not be loaded: ${cloud.error.value.message}`;
  if (rows === undefined) return cloud.loading.value ? `${front}; loading the evaluations…` : front;
  if (cloud.rowsAre.value === "sampled") return `${front}, before ${formatCount(rows)} designs drawn by chance from the legal space`;
  return cloud.isFull.value ? `${front} of ${formatCount(rows)} evaluations` : `${front}, before a sample of ${formatCount(rows)} evaluations${cloud.loading.value ? "; loading all…" : ""}`;
}

function CommandPanel({ exploration }: { readonly exploration: Exploration }): JSX.Element {
  const spaceFile = `space-${exploration.id.slice(-8)}.json`;
  return (
    <Panel title="The same search on the command line">
      <Command
        text={exploreCommand({
          model: exploration.model,
          device: exploration.device,
          promptTokens: exploration.workload.prompt_tokens,
          outputTokens: exploration.workload.output_tokens,
          objectives: exploration.objectives,
          method: exploration.method,
          budget: exploration.budget,
          seed: exploration.seed,
          constraints: exploration.constraints,
          spaceFile: exploration.space === null ? null : spaceFile,
          epsilon: exploration.epsilon,
          floorplan: exploration.floorplan,
        })}
      />
      {exploration.space !== null && (
        <p class={css.textNote}>
          The changes to the space are a file of their own: <Button onClick={() => downloadJson(spaceFile, exploration.space)}>Download {spaceFile}</Button>
        </p>
      )}
    </Panel>
  );
}

/**
 * The pair of objectives to show first: of a complete front the two that oppose each other most.
 *
 * While the front fills in that would jump, so it is the first and the last objective: speed against cost.
 */
function usePair(
  columns: Columns,
  objectives: readonly string[],
  registry: ReadonlyMap<string, MetricInfo>,
  complete: boolean,
): readonly string[] {
  return useMemo(
    () =>
      (complete ? opposingPair(columns, objectives, (name) => metricOf(name, registry).sense) : null) ??
      [...objectives.slice(0, 1), ...objectives.slice(1).slice(-1)],
    [complete, complete && columns, objectives],
  );
}

function useReferences(exploration: Exploration): ReturnType<typeof references> {
  const { model, device, workload } = exploration;
  return references(model, device, workload.prompt_tokens, workload.output_tokens);
}

function emptyText(exploration: Exploration, state: Exploration["state"], points: number, frontError: Error | null): ComponentChildren {
  if (points > 0) return null;
  if (state === "failed" && exploration.cause === "infeasible") {
    return (
      <Blank title="No design meets the constraints">
        <p>
          The search came to its end and found that nothing in this space meets them
          {exploration.constraints.length === 0 ? ": every legal design breaks a limit of the card." : ` together with the limits of the card: ${exploration.constraints.join(", ")}.`}
        </p>
      </Blank>
    );
  }
  switch (state) {
    case "queued":
      return <Blank title="Waiting for a worker">The first points appear as soon as the search has started.</Blank>;
    case "running":
      return <Blank title="Searching">The first feasible designs appear here.</Blank>;
    case "succeeded":
      return frontError === null ? (
        <Blank title="No design meets the constraints">
          <p>Every legal design of this model breaks a limit of this card. Try a larger card, a smaller model or a shorter workload.</p>
        </Blank>
      ) : null;
    case "failed":
      return <Blank title="The search failed before it found a design" />;
    case "cancelled":
      return <Blank title="The search was cancelled before it found a design" />;
  }
}

interface HeadProps {
  readonly opened: OpenExploration;
  readonly exploration: Exploration;
  readonly live: Live | null;
}

function Head({ opened, exploration, live }: HeadProps): JSX.Element {
  const state = live?.state ?? exploration.state;
  const front = opened.front.state.value.data;
  const { phase } = keyFigures(exploration, live);
  useCaption(`${captionOf(exploration)}${front === null ? "" : `, ${front.head.provenance}, models ${front.head.model_version}, timing ${front.head.timing_table_version}`}`);
  useEffect(() => {
    document.title = `${explorationTitle(exploration)} · FlexDSE`;
  }, [exploration]);
  return (
    <header class={css.head}>
      <div class={css.titles}>
        <h1>{explorationTitle(exploration)}</h1>
        <p class={css.sub}>
          <span>{exploration.model}</span>
          <span>{exploration.device}</span>
          <span>
            {formatCount(exploration.workload.prompt_tokens)} prompt → {formatCount(exploration.workload.output_tokens)} output tokens
          </span>
          <span>
            {METHOD_TITLES[exploration.method] ?? exploration.method}
            {exploration.method === "exact" ? "" : `, budget ${formatCount(exploration.budget)}`}, seed {exploration.seed}
          </span>
          {exploration.constraints.map((text) => (
            <span key={text}>only {text}</span>
          ))}
          {exploration.space !== null && <span title={spaceText(exploration.space)}>space changed: {spaceText(exploration.space).split("\n").length} lines</span>}
        </p>
      </div>
      <div class={css.headTools}>
        {front !== null && <ProvenanceBadge provenance={front.head.provenance} />}
        <span role="status" aria-label="State of the exploration">
          <StateLabel state={state} />
          {phase !== "" && <span class={css.phase}> · {phase}</span>}
        </span>
        {!isFinished(state) && <CancelButton opened={opened} requested={exploration.cancel_requested} />}
        {isFinished(state) && (
          <Button
            onClick={() => {
              draft.value = draftOf(exploration);
              navigate(formatPage({ name: "new" }));
            }}
          >
            Change and run again
          </Button>
        )}
      </div>
    </header>
  );
}

function CancelButton({ opened, requested }: { readonly opened: OpenExploration; readonly requested: boolean }): JSX.Element {
  const [error, setError] = useState<Error | null>(null);
  const [sent, setSent] = useState(requested);
  const cancel = async (): Promise<void> => {
    setSent(true);
    setError(null);
    try {
      opened.detail.set(await cancelExploration(opened.id));
      void refreshExplorations();
    } catch (caught) {
      setSent(false);
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    }
  };
  return (
    <>
      <Button onClick={() => void cancel()} disabled={sent}>
        {sent ? "Cancelling…" : "Cancel"}
      </Button>
      {error !== null && <Failure error={error} />}
    </>
  );
}

function Notices({ exploration, live }: { readonly exploration: Exploration; readonly live: Live | null }): JSX.Element | null {
  const notices: ComponentChildren[] = [];
  if (live?.connection === "reconnecting") {
    notices.push(
      <p class={css.notice} role="status">
        The live stream is interrupted; the figures are the last ones received. Reconnecting…
      </p>,
    );
  }
  if (exploration.attempt > 1) {
    notices.push(
      <p class={css.notice}>
        A worker was lost on the way: this is attempt {exploration.attempt} of {exploration.max_attempts}.
      </p>,
    );
  }
  if (exploration.state === "failed") {
    const { error, cause } = exploration;
    notices.push(
      <Failure
        error={
          error === null
            ? new Error(`The search failed${cause === null ? "" : ` (${cause})`}.`)
            : new ApiError({ title: error.title, detail: error.detail, status: error.status, errors: problemErrors(error.errors) })
        }
      />,
    );
  }
  return notices.length === 0 ? null : <>{notices}</>;
}

type DocumentErrors = NonNullable<NonNullable<Exploration["error"]>["errors"]>;

function problemErrors(errors: DocumentErrors | undefined): { rule?: string; hint?: string }[] {
  return (errors ?? []).map((entry) => ({
    ...(entry.rule ? { rule: entry.rule } : {}),
    ...(entry.hint ? { hint: entry.hint } : {}),
  }));
}
