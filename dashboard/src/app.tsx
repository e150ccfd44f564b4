/** The frame of every page: brand, sections, connection, and the page that the address names. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import css from "./app.module.css";
import { ExplorationList } from "./features/explorations/ExplorationList";
import { LoginPage } from "./features/session/LoginPage";
import { UserMenu } from "./features/session/UserMenu";
import { CurrentPage, SECTIONS } from "./pages";
import { disconnected, watchExplorations } from "./state/explorations";
import { formatPage } from "./state/route";
import { route } from "./state/router";
import { checkSession, session } from "./state/session";
import { Skeleton } from "./ui/basics";
import { preloadPages } from "./ui/lazy";
import { Link } from "./ui/Link";

const RETRY_MS = 2000;
/** After the first paint of the largest exploration. */
const PRELOAD_MS = 3000;
/** Pages about explorations have the list of them at their side. */
const WITH_LIST = new Set(["home", "new", "exploration", "design", "evaluation"]);

export function App(): JSX.Element {
  const { page } = route.value;
  const isOpen = session.value === "open";
  const hasList = isOpen && WITH_LIST.has(page.name);
  const [unanswered, setUnanswered] = useState(false);
  useEffect(() => startSession((answered) => setUnanswered(!answered)), []);
  useEffect(() => (isOpen ? watchExplorations() : undefined), [isOpen]);
  useEffect(() => {
    const timer = window.setTimeout(() => void preloadPages(), PRELOAD_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <div class={css.app} data-list={hasList}>
      <a class={css.skip} href="#main">
        Skip to the page
      </a>
      <header class={css.top}>
        <Link class={css.brand} to="/" label="FlexDSE, start page">
          <img src="/favicon.svg" width={22} height={22} alt="" />
          FlexDSE
        </Link>
        {isOpen && (
          <nav class={css.sections} aria-label="Sections">
            {SECTIONS.map((section) => (
              <Link key={section.title} class={css.section} to={formatPage(section.page)} current={section.names.includes(page.name)}>
                {section.title}
              </Link>
            ))}
          </nav>
        )}
        <div class={css.connection}>
          <span role="status" aria-label="Connection">
            {(disconnected.value || unanswered) && <span class={css.lost}>No connection to the server. Trying again…</span>}
          </span>
          <UserMenu />
        </div>
      </header>
      {hasList && (
        <aside class={css.rail} aria-label="Explorations">
          <ExplorationList />
        </aside>
      )}
      <main class={css.main} id="main" tabIndex={-1}>
        <div class={css.page}>
          {session.value === "unknown" ? <Skeleton label="Connecting" lines={6} /> : isOpen ? <CurrentPage page={page} /> : <LoginPage expired={session.value === "expired"} />}
        </div>
      </main>
    </div>
  );
}

/** Asks until the server answers, which may just be starting; `onAnswer` says whether it did. */
function startSession(onAnswer: (answered: boolean) => void): () => void {
  let timer = 0;
  const ask = (): void => {
    checkSession().then(
      () => onAnswer(true),
      () => {
        onAnswer(false);
        timer = window.setTimeout(ask, RETRY_MS);
      },
    );
  };
  ask();
  return () => window.clearTimeout(timer);
}
