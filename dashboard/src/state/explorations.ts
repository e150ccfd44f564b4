/** The list of explorations, newest first, refreshed while the page is visible. */
import { computed, signal } from "@preact/signals";
import { ApiError, ConnectionError } from "../api/client";
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

/** Of older ones what is not finished: asked for by state, and those that are in neither list any more one by one. */
async function upToDate(items: readonly ExplorationSummary[]): Promise<readonly ExplorationSummary[]> {
  const lists = await Promise.all([listExplorations({ state: "running" }), listExplorations({ state: "queued" })]);
  const now = new Map(lists.flatMap((list) => list.items).map((item): [string, ExplorationSummary] => [item.id, item]));
  const found = await Promise.all(items.map(async (item) => (isFinished(item.state) ? item : (now.get(item.id) ?? (await unlessGone(item.id))))));
  return found.filter((item) => item !== null);
}

/** One that was deleted meanwhile is no failure of the list. */
async function unlessGone(id: string): Promise<ExplorationSummary | null> {
  try {
    return await getExploration(id);
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return null;
    throw error;
  }
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
