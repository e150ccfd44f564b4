/** The list of explorations, newest first, refreshed while the page is visible. */
import { computed, signal } from "@preact/signals";
import { ConnectionError } from "../api/client";
import { getExploration, listExplorations } from "../api/explorations";
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
  else older = await upToDate(older);
  const fresh = new Set(page.items.map((item) => item.id));
  return [...page.items, ...older.filter((item) => !fresh.has(item.id))] as readonly ExplorationSummary[];
});

/** Of older ones what runs, and what ran when it was last heard of; what waits keeps waiting or runs by then. */
async function upToDate(items: readonly ExplorationSummary[]): Promise<readonly ExplorationSummary[]> {
  const now = new Map<string, ExplorationSummary>((await listExplorations({ state: "running" })).items.map((item) => [item.id, item]));
  return Promise.all(items.map((item) => now.get(item.id) ?? (item.state === "running" ? getExploration(item.id) : item)));
}

export const hasMore = computed(() => nextCursor.value !== null);

/** A page is on its way: a second click must not fetch it twice. */
export const loadingMore = signal(false);

export async function loadMore(): Promise<void> {
  const cursor = nextCursor.value;
  if (cursor === null || loadingMore.value) return;
  loadingMore.value = true;
  try {
    const page = await listExplorations({ cursor });
    older = [...(explorations.state.value.data ?? []), ...page.items];
    nextCursor.value = page.next_cursor;
    await explorations.load();
  } finally {
    loadingMore.value = false;
  }
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
