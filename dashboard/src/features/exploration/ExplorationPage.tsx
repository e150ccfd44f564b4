/** One exploration: key figures, the Pareto explorer, the table of the front and the record of the search. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { cancelExploration } from "../../api/explorations";
import { ApiError } from "../../api/client";
import type { Exploration } from "../../domain/documents";
import { exploreCommand } from "../../domain/commands";
import { type Columns, frontColumns } from "../../domain/columns";
import { draftOf } from "../../domain/draft";
import { explorationTitle, keyFigures, METHOD_TITLES } from "../../domain/exploration";
import { isFinished, type Live, liveColumns } from "../../domain/live";
import type { MetricInfo } from "../../domain/metrics";
import { metricOf, registryOf } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { chooseAxes, opposingPair } from "../../state/axes";
import { draft } from "../../state/draft";
import { openExploration, type OpenExploration } from "../../state/exploration";
import { refreshExplorations } from "../../state/explorations";
import { references } from "../../state/references";
import { formatPage } from "../../state/route";
import { href, navigate, route } from "../../state/router";
import { Blank, Button, Command, Failure, Panel, ProvenanceBadge, Skeleton, StateLabel } from "../../ui/basics";
import { Link } from "../../ui/Link";
import { FrontTable } from "./FrontTable";
import { KeyFigureStrip } from "./KeyFigureStrip";
import { ParetoExplorer } from "./ParetoExplorer";
import { SearchRecordPanel } from "./SearchRecordPanel";
import css from "./exploration.module.css";

export function ExplorationPage({ id }: { readonly id: string }): JSX.Element {
  const opened = openExploration(id);
  const { data: exploration, error } = opened.detail.state.value;
  if (exploration === null) {
    if (error instanceof ApiError && error.problem.status === 404) {
      return (
        <Blank title="There is no such exploration">
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

function Loaded({ opened, exploration }: { readonly opened: OpenExploration; readonly exploration: Exploration }): JSX.Element {
  const live = opened.live.value;
  const { data: front, error: frontError } = opened.front.state.value;
  const state = live?.state ?? exploration.state;
  const hasFront = front !== null && front.entries.length > 0;
  const registry = registryOf(front);
  const [highlighted, setHighlighted] = useState(-1);

  const progress = live?.progress ?? exploration.progress;
  const columns = useMemo(
    () => (hasFront ? frontColumns(front) : new Map(Object.entries(liveColumns(progress, exploration.objectives)))),
    [front, hasFront, progress, exploration.objectives],
  );
  const view = route.value.view;
  const pair = usePair(columns, exploration.objectives, registry, hasFront);
  const axes = useMemo(() => chooseAxes(columns, exploration.objectives, view, pair), [columns, exploration.objectives, view, pair]);
  const points = axes === null ? 0 : columns.get(axes.x)!.length;
  const open = (index: number): void => navigate(href({ name: "design", id: opened.id, index }, view));
  const marks = useReferences(exploration);

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
        references={marks}
        live={!hasFront}
        highlighted={highlighted}
        empty={emptyText(state, points, frontError)}
        keyOf={(index) => front?.entries[index]?.key ?? ""}
        onOpen={hasFront ? open : undefined}
      />
      {hasFront && axes !== null && (
        <FrontTable
          front={front}
          columns={columns}
          registry={registry}
          shownMetrics={[axes.x, axes.y, axes.colour]}
          hrefOf={(index) => href({ name: "design", id: opened.id, index }, view)}
          onOpen={open}
          onHover={setHighlighted}
        />
      )}
      <div class={exploration.record === null ? css.stack : css.columns}>
        {exploration.record !== null && (
          <SearchRecordPanel record={exploration.record} objectives={exploration.objectives.map((name) => metricOf(name, registry))} />
        )}
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
            })}
          />
        </Panel>
      </div>
    </div>
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

function emptyText(state: Exploration["state"], points: number, frontError: Error | null): ComponentChildren {
  if (points > 0) return null;
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
            {METHOD_TITLES[exploration.method]}
            {exploration.method === "exact" ? "" : `, budget ${formatCount(exploration.budget)}`}, seed {exploration.seed}
          </span>
        </p>
      </div>
      <div class={css.headTools}>
        {front !== null && <ProvenanceBadge provenance={front.provenance} />}
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
