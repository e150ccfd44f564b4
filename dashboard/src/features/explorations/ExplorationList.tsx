/** Every exploration with its state, newest first. */
import type { JSX } from "preact";
import type { ExplorationSummary } from "../../domain/documents";
import { explorationTitle } from "../../domain/exploration";
import { formatAge, formatCount } from "../../domain/units";
import { explorations, hasMore, loadingMore, loadMore, now } from "../../state/explorations";
import { formatPage, type Page } from "../../state/route";
import { route } from "../../state/router";
import { Button, buttonClass, Failure, Skeleton, StateDot, stateTitle } from "../../ui/basics";
import { Link } from "../../ui/Link";
import css from "./explorations.module.css";

export function ExplorationList(): JSX.Element {
  const { data, error } = explorations.state.value;
  return (
    <>
      <div class={css.railHead}>
        <h2>Explorations</h2>
        <Link class={buttonClass} to="/new" current={route.value.page.name === "new"}>
          New exploration
        </Link>
      </div>
      {data === null ? (
        error !== null && error.name !== "ConnectionError" ? (
          <div class={css.railNote}>
            <Failure error={error} retry={() => void explorations.load()} />
          </div>
        ) : (
          <Skeleton label="Loading the explorations" lines={6} />
        )
      ) : data.length === 0 ? (
        <p class={css.railNote}>Nothing explored yet. Choose a model, a card and a workload, and start one.</p>
      ) : (
        <nav class={css.list} aria-label="List of explorations">
          <ul>
            {data.map((item) => (
              <li key={item.id}>
                <Item item={item} page={route.value.page} />
              </li>
            ))}
          </ul>
          {hasMore.value && (
            <div class={css.more}>
              <Button onClick={() => void loadMore()} disabled={loadingMore.value}>
                Show older
              </Button>
            </div>
          )}
        </nav>
      )}
    </>
  );
}

function Item({ item, page }: { readonly item: ExplorationSummary; readonly page: Page }): JSX.Element {
  const current = (page.name === "exploration" || page.name === "design" || page.name === "evaluation") && page.id === item.id;
  const { prompt_tokens: prompt, output_tokens: output } = item.workload;
  return (
    <Link
      class={css.item}
      to={formatPage({ name: "exploration", id: item.id })}
      current={current}
      title={`${explorationTitle(item)}: ${stateTitle(item.state)}`}
    >
      <StateDot state={item.state} />
      <span class={css.itemName}>{explorationTitle(item)}</span>
      <span class={css.age}>{formatAge(item.created_at, now.value)}</span>
      <span class={css.itemSub}>
        <span>
          {formatCount(prompt)} → {formatCount(output)} tokens · {item.method}
        </span>
        <span>{item.front_size === null ? stateTitle(item.state).toLowerCase() : `${formatCount(item.front_size)} on front${item.state === "running" ? " so far" : ""}`}</span>
      </span>
    </Link>
  );
}
