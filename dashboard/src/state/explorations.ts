/** The list of explorations, newest first, refreshed while the page is visible. */
import { computed, signal } from "@preact/signals";
import { ConnectionError } from "../api/client";
import { listExplorations } from "../api/explorations";
import type { ExplorationSummary } from "../domain/documents";
import { isFinished } from "../domain/live";
import { resource } from "./resource";

const BUSY_MS = 1500;
/** Also how long a page takes to notice that the server is away. */
const IDLE_MS = 4000;

const nextCursor = signal<string | null>(null);
/** Older pages, loaded on demand; the first page is what is refreshed. */
let older: readonly ExplorationSummary[] = [];

export const explorations = resource(async () => {
  const page = await listExplorations();
  if (older.length === 0) nextCursor.value = page.next_cursor;
  const fresh = new Set(page.items.map((item) => item.id));
  return [...page.items, ...older.filter((item) => !fresh.has(item.id))] as readonly ExplorationSummary[];
});

export const hasMore = computed(() => nextCursor.value !== null);

export async function loadMore(): Promise<void> {
  if (nextCursor.value === null) return;
  const page = await listExplorations(nextCursor.value);
  older = [...(explorations.state.value.data ?? []), ...page.items];
  nextCursor.value = page.next_cursor;
  await explorations.load();
}

/** True while the server does not answer; every view says so in one place. */
export const disconnected = computed(() => explorations.state.value.error instanceof ConnectionError);

/** Moves with each refresh, so that ages do not grow stale. */
export const now = signal(Date.now());

let timer = 0;
let watching = false;

/** At once, then in a while: soon again while something runs or the server is away. */
export async function refreshExplorations(): Promise<void> {
  window.clearTimeout(timer);
  if (!document.hidden) {
    await explorations.load();
    now.value = Date.now();
  }
  const { data, error } = explorations.state.value;
  const busy = error !== null || data === null || data.some((item) => !isFinished(item.state));
  window.clearTimeout(timer);
  if (watching) timer = window.setTimeout(() => void refreshExplorations(), busy ? BUSY_MS : IDLE_MS);
}

/** Keeps the list fresh until the returned function is called. */
export function watchExplorations(): () => void {
  const onVisible = (): void => {
    if (!document.hidden) void refreshExplorations();
  };
  const onOnline = (): void => void refreshExplorations();
  watching = true;
  document.addEventListener("visibilitychange", onVisible);
  window.addEventListener("online", onOnline);
  void refreshExplorations();
  return () => {
    watching = false;
    document.removeEventListener("visibilitychange", onVisible);
    window.removeEventListener("online", onOnline);
    window.clearTimeout(timer);
  };
}
