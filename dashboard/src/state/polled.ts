/** What is asked for again and again while somebody looks: soon again while something is under way, else rarely. */
import { useEffect, useMemo } from "preact/hooks";
import { type Resource, resource } from "./resource";

const BUSY_MS = 1200;
const IDLE_MS = 15_000;

/** A resource that lives with the component; `key` says what it is of. */
export function usePolled<T>(key: string, load: () => Promise<T>, isBusy: (data: T) => boolean): Resource<T> {
  const held = useMemo(() => resource(load), [key]);
  useEffect(() => {
    let timer = 0;
    let stopped = false;
    const again = async (): Promise<void> => {
      if (!document.hidden) await held.load();
      if (stopped) return;
      const { data, error } = held.state.value;
      timer = window.setTimeout(() => void again(), data === null || error !== null || isBusy(data) ? BUSY_MS : IDLE_MS);
    };
    void again();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
  }, [held]);
  return held;
}
