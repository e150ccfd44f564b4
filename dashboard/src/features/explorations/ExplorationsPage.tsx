/** All explorations as a table: where each stands, how fast it goes, and the best that it found. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ExplorationSummary } from "../../domain/documents";
import { bestText, explorationTitle, METHOD_TITLES, phaseTitle, pricedShare } from "../../domain/exploration";
import { percent } from "../../domain/design";
import { isFinished } from "../../domain/live";
import { shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { formatAge, formatCount, formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { explorations, hasMore, loadingMore, loadMore, now } from "../../state/explorations";
import { formatPage } from "../../state/route";
import { href, route, setView } from "../../state/router";
import { Blank, Button, buttonClass, Failure, Missing, Panel, Skeleton, StateLabel } from "../../ui/basics";
import { DataTable, type Head, NumericCell, numericHeads } from "../../ui/DataTable";
import { Link } from "../../ui/Link";
import css from "./explorations.module.css";

export function ExplorationsPage(): JSX.Element {
  const { data, error } = explorations.state.value;
  useEffect(() => {
    document.title = "Explorations · FlexDSE";
  }, []);
  return (
    <div class={css.stackPage}>
      <header class={css.pageHead}>
        <h1>Explorations</h1>
        <Link class={buttonClass} to="/new">
          New exploration
        </Link>
      </header>
      <Panel title="All explorations" note="newest first" flush tools={<CompareLink />}>
        {data === null ? (
          error !== null ? (
            <Failure error={error} retry={() => void explorations.load()} />
          ) : (
            <Skeleton label="Loading the explorations" lines={8} />
          )
        ) : data.length === 0 ? (
          <Blank title="Nothing explored yet">
            <p>
              Choose a model, a card and a workload, and <Link to="/new">start an exploration</Link>. The front of the U280 takes seconds.
            </p>
          </Blank>
        ) : (
          <List items={data} />
        )}
        {hasMore.value && (
          <div class={css.more}>
            <Button onClick={() => void loadMore()} disabled={loadingMore.value}>
              Show older
            </Button>
          </div>
        )}
      </Panel>
    </div>
  );
}

/** At most so many stand side by side and stay readable. */
const MOST_COMPARED = 2;

function CompareLink(): JSX.Element | null {
  const chosen = route.value.view.explorations;
  if (chosen.length === 0) return null;
  return chosen.length < 2 ? (
    <span class={css.hint}>choose one more to compare</span>
  ) : (
    <Link class={buttonClass} to={href({ name: "compare" }, { explorations: chosen })}>
      Compare these two
    </Link>
  );
}

const HEADS: readonly (string | Head)[] = [
  { title: "Compare", hidden: true },
  "Name and task",
  "State",
  ...numericHeads("Evaluations", "Rate", "Feasible", "Front", "Hypervolume"),
  "Best",
  ...numericHeads("Took"),
];

function List({ items }: { readonly items: readonly ExplorationSummary[] }): JSX.Element {
  const chosen = route.value.view.explorations;
  const toggle = (id: string, on: boolean): void => {
    setView({ explorations: on ? [...chosen, id].slice(-MOST_COMPARED) : chosen.filter((other) => other !== id) });
  };
  return (
    <DataTable label="Explorations" nowrap heads={HEADS}>
        <tbody>
          {items.map((item) => (
            <tr key={item.id}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Compare ${explorationTitle(item)}`}
                  disabled={item.state !== "succeeded"}
                  checked={chosen.includes(item.id)}
                  onChange={(event) => toggle(item.id, event.currentTarget.checked)}
                />
              </td>
              <th scope="row" class={css.name}>
                <Link class={css.cut} title={explorationTitle(item)} to={formatPage({ name: "exploration", id: item.id })}>
                  {explorationTitle(item)}
                </Link>
                <small class={css.task}>
                  {item.model}, {item.device}
                  <br />
                  {formatCount(item.workload.prompt_tokens)} → {formatCount(item.workload.output_tokens)} tokens, {METHOD_TITLES[item.method] ?? item.method}
                </small>
              </th>
              <td>
                <StateLabel state={item.state} />
                <small class={css.task}>{formatAge(item.created_at, now.value)}</small>
                {item.phase !== null && <small class={css.phase}>{phaseText(item)}</small>}
              </td>
              <Figure value={item.evaluations} state={item.state} format={formatLargeCount} />
              <Figure value={item.designs_per_s || null} state={item.state} format={(rate) => `${formatLargeCount(rate)}/s`} />
              <Figure value={item.feasible_fraction} state={item.state} format={percent} />
              <Figure value={item.front_size} state={item.state} format={formatCount} />
              <Figure value={item.hypervolume || null} state={item.state} missing="no design of its front is better than the reference point, the worst of the exact front, in every objective" isOpen format={(volume) => formatNumber(volume, 3)} />
              <td class={css.best}>
                <Best item={item} />
              </td>
              <NumericCell>{took(item) === null ? <Missing reason="it has not started" /> : formatDuration(took(item))}</NumericCell>
            </tr>
          ))}
        </tbody>
    </DataTable>
  );
}

interface FigureProps {
  readonly value: number | null;
  readonly state: ExplorationSummary["state"];
  readonly format: (value: number) => string;
  /** Why a search that succeeded may not have it. */
  readonly missing?: string;
  /** One that runs may lack it for the same reason. */
  readonly isOpen?: boolean;
}

function Figure({ value, state, format, missing = "the result does not have it", isOpen = false }: FigureProps): JSX.Element {
  const early = state === "queued" ? "it waits for a worker" : isOpen ? `not yet: ${missing}` : "nothing is priced yet";
  const reason = state === "succeeded" ? missing : isFinished(state) ? "it ended without a result" : early;
  return <NumericCell>{value === null ? <Missing reason={reason} /> : format(value)}</NumericCell>;
}

/** The best value of each objective on the front. */
function Best({ item }: { readonly item: ExplorationSummary }): JSX.Element {
  const best = Object.entries((item.best ?? {}) as Record<string, number | null>);
  if (best.length === 0) return <Missing reason={isFinished(item.state) && item.state !== "succeeded" ? "it ended without a result" : item.state === "queued" ? "it waits for a worker" : "the front is empty"} />;
  return (
    <ul>
      {best.map(([name, value]) => (
        <li key={name}>
          {shortTitle(metricOf(name))} {value === null ? <Missing reason="no design of the front has a value" /> : bestText(name, value)}
        </li>
      ))}
    </ul>
  );
}

/** What one that runs does, and how far it is. */
function phaseText({ phase, evaluations, total_evaluations: total }: ExplorationSummary): string {
  const share = pricedShare(phase, evaluations, total);
  return `${phaseTitle(phase!)}${share === null ? "" : `, ${percent(share)}`}`;
}

/** Seconds from its start to its end, or until now. */
function took(item: ExplorationSummary): number | null {
  if (item.started_at === null) return null;
  return Math.max(0, (item.finished_at === null ? now.value : Date.parse(item.finished_at)) - Date.parse(item.started_at)) / 1000;
}
