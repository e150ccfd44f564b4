/** A page whose code is loaded when it is first opened: the first paint waits for no page but its own. */
import { effect, signal } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { disconnected, refreshExplorations } from "../state/explorations";
import { Blank, Failure, Skeleton } from "./basics";

/** Twice within this time would be a loop. */
const RELOAD_PAUSE_MS = 15_000;
const RELOADED = "flexdse-reloaded";

const starts: (() => Promise<void>)[] = [];

/** Loads the code of all pages, one after the other, so that they open also while the server is away. */
export async function preloadPages(): Promise<void> {
  for (const start of starts) await start();
}

export function lazyPage<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => JSX.Element {
  const Page = signal<ComponentType<P> | null>(null);
  const error = signal<Error | null>(null);
  let started = false;

  const start = async (): Promise<void> => {
    if (started) return;
    started = true;
    try {
      Page.value = await load();
      error.value = null;
    } catch (caught) {
      started = false;
      error.value = caught instanceof Error ? caught : new Error(String(caught));
    }
  };
  starts.push(start);

  return function LazyPage(props: P): JSX.Element {
    const Loaded = Page.value;
    if (Loaded !== null) return <Loaded {...props} />;
    if (error.value !== null) return <Missed error={error.value} />;
    void start();
    return <Skeleton label="Loading the page" lines={10} />;
  };
}

/**
 * The code of the page did not come: the server is away, or has a newer build whose files are called otherwise. Either
 * way the whole page is loaded anew once the server answers; everything that it shows is in the address.
 */
function Missed({ error }: { readonly error: Error }): JSX.Element {
  useEffect(() => {
    const asked = signal(false);
    void refreshExplorations().then(() => (asked.value = true));
    return effect(() => {
      if (!asked.value || disconnected.value) return;
      if (Date.now() - Number(window.sessionStorage.getItem(RELOADED) ?? 0) < RELOAD_PAUSE_MS) return;
      window.sessionStorage.setItem(RELOADED, String(Date.now()));
      window.location.reload();
    });
  }, []);
  return disconnected.value ? (
    <Blank title="The server does not answer">
      <p>
        This page comes by itself as soon as <code>flexdse serve</code> runs again.
      </p>
    </Blank>
  ) : (
    <Failure error={new Error(`Its code could not be loaded: ${error.message}`)} retry={() => window.location.reload()} />
  );
}
