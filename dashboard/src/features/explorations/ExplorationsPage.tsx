/** All explorations as a table: where each stands, how fast it goes, and the best that it found. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ExplorationSummary } from "../../domain/documents";
import { bestText, explorationTitle, METHOD_TITLES } from "../../domain/exploration";
import { percent } from "../../domain/design";
import { isFinished } from "../../domain/live";
import { shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { formatAge, formatCount, formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { explorations, hasMore, loadMore, now } from "../../state/explorations";
import { formatPage } from "../../state/route";
import { href, route, setView } from "../../state/router";
import { Blank, Button, buttonClass, Failure, Missing, Panel, Skeleton, StateLabel } from "../../ui/basics";
import { DataTable, type Head, NumericCell, numericHeads } from "../../ui/DataTable";
import { Link } from "../../ui/Link";
import css from "./explorations.module.css";

export function ExplorationsPage(): JSX.Element {
  const { data, error, loading } = explorations.state.value;
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
            <Button onClick={() => void loadMore()} disabled={loading}>
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
  ...numericHeads("Start to end"),
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
              </td>
              <Figure value={item.evaluations} state={item.state} format={formatLargeCount} />
              <Figure value={item.designs_per_s} state={item.state} format={(rate) => `${formatLargeCount(rate)}/s`} />
              <Figure value={item.feasible_fraction} state={item.state} format={percent} />
              <Figure value={item.front_size} state={item.state} format={formatCount} />
              <Figure value={item.hypervolume || null} state={item.state} missing="no design of its front is better than the reference point, the worst of the exact front, in every objective" format={(volume) => formatNumber(volume, 3)} />
              <td class={css.best}>
                <Best item={item} />
              </td>
              <NumericCell>{took(item) === null ? <Missing reason="it has not ended" /> : formatDuration(took(item))}</NumericCell>
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
}

function Figure({ value, state, format, missing = "the result does not have it" }: FigureProps): JSX.Element {
  const reason = state === "succeeded" ? missing : isFinished(state) ? "it ended without a result" : "known when the search is done";
  return <NumericCell>{value === null ? <Missing reason={reason} /> : format(value)}</NumericCell>;
}

/** The best value of each objective on the front. */
function Best({ item }: { readonly item: ExplorationSummary }): JSX.Element {
  const best = Object.entries((item.best ?? {}) as Record<string, number | null>);
  if (best.length === 0) return <Missing reason={item.state === "succeeded" ? "the front is empty" : "known when the search has succeeded"} />;
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

/** Seconds from start to end. */
function took(item: ExplorationSummary): number | null {
  return item.started_at === null || item.finished_at === null ? null : (Date.parse(item.finished_at) - Date.parse(item.started_at)) / 1000;
}
