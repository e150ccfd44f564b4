/** The frame of every page: brand, connection, list of explorations, and the page that the address names. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import css from "./app.module.css";
import { DesignPage } from "./features/design/DesignPage";
import { ExplorationPage } from "./features/exploration/ExplorationPage";
import { ExplorationList } from "./features/explorations/ExplorationList";
import { NewExplorationPage } from "./features/explorations/NewExplorationPage";
import { disconnected, explorations } from "./state/explorations";
import { formatPage, type Page } from "./state/route";
import { navigate, route } from "./state/router";
import { Blank, Skeleton } from "./ui/basics";
import { Link } from "./ui/Link";

export function App(): JSX.Element {
  const { page } = route.value;
  return (
    <div class={css.app}>
      <a class={css.skip} href="#main">
        Skip to the page
      </a>
      <header class={css.top}>
        <Link class={css.brand} to="/" label="FlexDSE, start page">
          <img src="/favicon.svg" width={22} height={22} alt="" />
          FlexDSE
        </Link>
        <span class={css.claim}>LLM accelerators on FPGAs</span>
        <div class={css.connection} role="status" aria-label="Connection">
          {disconnected.value && <span class={css.lost}>No connection to the server. Trying again…</span>}
        </div>
      </header>
      <aside class={css.rail} aria-label="Explorations">
        <ExplorationList />
      </aside>
      <main class={css.main} id="main">
        <div class={css.page}>
          <CurrentPage page={page} />
        </div>
      </main>
    </div>
  );
}

function CurrentPage({ page }: { readonly page: Page }): JSX.Element {
  switch (page.name) {
    case "home":
      return <HomePage />;
    case "new":
      return <NewExplorationPage />;
    case "exploration":
      return <ExplorationPage key={page.id} id={page.id} />;
    case "design":
      return <DesignPage key={page.id} id={page.id} index={page.index} />;
    case "unknown":
      return (
        <Blank title="There is no such page">
          <p>
            <code>{page.path}</code> leads nowhere. <Link to="/">Go to the explorations</Link>.
          </p>
        </Blank>
      );
  }
}

/** The newest exploration, or the form where there is none. */
function HomePage(): JSX.Element {
  const { data } = explorations.state.value;
  useEffect(() => {
    if (data === null) return;
    const first = data[0];
    navigate(formatPage(first === undefined ? { name: "new" } : { name: "exploration", id: first.id }), { replace: true });
  }, [data]);
  return disconnected.value ? (
    <Blank title="The server does not answer">
      <p>
        The page comes back by itself as soon as <code>flexdse serve</code> runs again.
      </p>
    </Blank>
  ) : (
    <Skeleton label="Loading the explorations" lines={6} />
  );
}
