/** Data that comes from the server: not there yet, there, or failed; a refresh keeps what was there. */
import { type ReadonlySignal, signal } from "@preact/signals";

export interface Loaded<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly loading: boolean;
}

export interface Resource<T> {
  readonly state: ReadonlySignal<Loaded<T>>;
  load(): Promise<void>;
  set(data: T): void;
}

/** Waits for what is under way; nothing is asked for twice. */
export function settled<T>(held: Resource<T>): Promise<Loaded<T>> {
  return new Promise((resolve) => {
    const stop = held.state.subscribe((state) => {
      // The first call comes before `stop` is there.
      if (!state.loading) queueMicrotask(() => (stop(), resolve(state)));
    });
  });
}

export function resource<T>(fetchData: () => Promise<T>): Resource<T> {
  const state = signal<Loaded<T>>({ data: null, error: null, loading: false });
  let turn = 0;
  return {
    state,
    async load() {
      const mine = ++turn;
      state.value = { ...state.value, loading: true };
      try {
        const data = await fetchData();
        if (mine === turn) state.value = { data, error: null, loading: false };
      } catch (error) {
        if (mine !== turn) return;
        state.value = { ...state.value, error: error instanceof Error ? error : new Error(String(error)), loading: false };
      }
    },
    set(data) {
      turn += 1;
      state.value = { data, error: null, loading: false };
    },
  };
}
