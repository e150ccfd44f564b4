/** What the page knows of a search while it runs: a pure reducer over the events of the server's stream. */
import type { ExplorationState, Progress } from "./documents";

export type Connection = "connecting" | "open" | "reconnecting" | "closed";

export interface HistoryPoint {
  readonly evaluations: number;
  /** Null while no design is better than the reference point in every objective. */
  readonly hypervolume: number | null;
  readonly frontSize: number;
  /** Since the search began; null where the server does not say. */
  readonly seconds: number | null;
}

export interface Live {
  readonly connection: Connection;
  readonly state: ExplorationState;
  readonly progress: Progress | null;
  readonly history: readonly HistoryPoint[];
}

export type LiveEvent =
  | { readonly type: "open" }
  | { readonly type: "lost" }
  | { readonly type: "state"; readonly state: ExplorationState }
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "done"; readonly state: ExplorationState };

/** Enough for a line of a few hundred pixels; every second point goes when it is full. */
export const MAX_HISTORY = 512;

interface HistoryColumns {
  readonly evaluations: readonly number[];
  readonly seconds: readonly number[];
  readonly hypervolume: readonly (number | null)[];
  readonly front_size: readonly (number | null)[];
}

/** The server's columns as points; those without a front are left out. A volume of 0, as older records have it, is none. */
export function historyOf({ evaluations, seconds, hypervolume, front_size: sizes }: HistoryColumns): HistoryPoint[] {
  return evaluations.flatMap((count, i): HistoryPoint[] => {
    const size = sizes[i] ?? 0;
    return size === 0 ? [] : [{ evaluations: count, hypervolume: hypervolume[i] || null, frontSize: size, seconds: seconds[i] ?? null }];
  });
}

const FINISHED: ReadonlySet<ExplorationState> = new Set(["succeeded", "failed", "cancelled"]);

export function isFinished(state: ExplorationState): boolean {
  return FINISHED.has(state);
}

/** `history`: what the server remembers of the search until now. */
export function initialLive(state: ExplorationState, progress: Progress | null = null, history: readonly HistoryPoint[] = []): Live {
  const live: Live = { connection: isFinished(state) ? "closed" : "connecting", state, progress: null, history };
  return progress === null ? live : withProgress(live, progress);
}

function withProgress(live: Live, progress: Progress): Live {
  // After a reconnection the server may repeat what was already shown.
  if (live.progress !== null && progress.evaluations < live.progress.evaluations) return live;
  let history = live.history;
  const { evaluations } = progress;
  const frontSize = progress.front_size ?? progress.front.length;
  if (frontSize > 0) {
    const last = history[history.length - 1];
    if (last === undefined || evaluations > last.evaluations) {
      history = [...history, { evaluations, hypervolume: progress.hypervolume || null, frontSize, seconds: progress.elapsed_s ?? null }];
    }
    if (history.length > MAX_HISTORY) history = history.filter((_, i) => i % 2 === 0 || i === history.length - 1);
  }
  return { ...live, progress, history };
}

export function reduceLive(live: Live, event: LiveEvent): Live {
  switch (event.type) {
    case "open":
      return live.connection === "closed" ? live : { ...live, connection: "open" };
    case "lost":
      return live.connection === "closed" ? live : { ...live, connection: "reconnecting" };
    case "state":
      if (isFinished(live.state)) return live;
      // Back in the queue: another attempt starts from nothing.
      if (event.state === "queued" && live.state === "running") {
        return { ...live, state: "queued", progress: null, history: [] };
      }
      return { ...live, state: event.state };
    case "progress": {
      if (isFinished(live.state)) return live;
      const next = withProgress(live, event.progress);
      return next.state === "queued" ? { ...next, state: "running" } : next;
    }
    case "done":
      return { ...live, state: event.state, connection: "closed" };
  }
}

/** The objective vectors of a progress event, one column per objective. */
export function liveColumns(progress: Progress | null, objectives: readonly string[]): Record<string, Float64Array> {
  const rows = progress?.front ?? [];
  const columns: Record<string, Float64Array> = {};
  objectives.forEach((name, k) => {
    columns[name] = Float64Array.from(rows, (row) => row[k] ?? Number.NaN);
  });
  return columns;
}
