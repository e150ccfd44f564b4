/** A page whose code is loaded when it is first opened: the first paint waits for no page but its own. */
import { signal } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { Failure, Skeleton } from "./basics";

export function lazyPage<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => JSX.Element {
  const Page = signal<ComponentType<P> | null>(null);
  const error = signal<Error | null>(null);
  let started = false;

  const start = async (): Promise<void> => {
    started = true;
    error.value = null;
    try {
      const loaded = await load();
      Page.value = loaded;
    } catch (caught) {
      started = false;
      error.value = caught instanceof Error ? caught : new Error(String(caught));
    }
  };

  return function LazyPage(props: P): JSX.Element {
    const Loaded = Page.value;
    if (Loaded !== null) return <Loaded {...props} />;
    if (error.value !== null) return <Failure error={error.value} retry={() => void start()} />;
    if (!started) void start();
    return <Skeleton label="Loading the page" lines={10} />;
  };
}
