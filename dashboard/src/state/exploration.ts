/** One opened exploration: its document, its live stream, its front, and the report of a design. */
import { batch, effect, type ReadonlySignal, signal } from "@preact/signals";
import { followExploration } from "../api/events";
import { getExploration, getFront, getReport } from "../api/explorations";
import type { CostReport, Exploration, Front } from "../domain/documents";
import { initialLive, isFinished, type Live, reduceLive } from "../domain/live";
import { refreshExplorations } from "./explorations";
import { type Resource, resource } from "./resource";

export interface OpenExploration {
  readonly id: string;
  readonly detail: Resource<Exploration>;
  readonly live: ReadonlySignal<Live | null>;
  readonly front: Resource<Front>;
  report(index: number): Resource<CostReport>;
  close(): void;
}

const REPORTS_KEPT = 64;

function open(id: string): OpenExploration {
  const detail = resource(() => getExploration(id));
  const front = resource(() => getFront(id));
  const live = signal<Live | null>(null);
  const reports = new Map<number, Resource<CostReport>>();
  let unfollow = (): void => undefined;
  let frame = 0;

  const finish = async (): Promise<void> => {
    await Promise.all([detail.load(), front.load(), refreshExplorations()]);
  };

  const start = async (): Promise<void> => {
    await detail.load();
    const document = detail.state.value.data;
    if (document === null) return;
    live.value = initialLive(document.state, document.progress ?? null);
    if (isFinished(document.state)) {
      await front.load();
      return;
    }
    // Events may come faster than the screen redraws: one update a frame.
    let next = live.value;
    unfollow = followExploration(id, (event) => {
      next = reduceLive(next, event);
      if (event.type === "state") void detail.load(); // who asked to cancel, which attempt it is
      if (event.type === "done") {
        window.cancelAnimationFrame(frame);
        frame = 0;
        live.value = next;
        void finish();
      } else if (frame === 0) {
        frame = window.requestAnimationFrame(() => {
          frame = 0;
          batch(() => (live.value = next));
        });
      }
    });
  };

  void start();

  // A failed first load is tried again until it is there: the server may just be restarting.
  let retry = 0;
  const stopRetrying = effect(() => {
    const { data, error } = detail.state.value;
    window.clearTimeout(retry);
    if (data === null && error !== null && error.name === "ConnectionError") {
      retry = window.setTimeout(() => void start(), 2000);
    }
  });

  return {
    id,
    detail,
    live,
    front,
    report(index) {
      let found = reports.get(index);
      if (found === undefined) {
        if (reports.size >= REPORTS_KEPT) reports.delete(reports.keys().next().value!);
        found = resource(() => getReport(id, index));
        reports.set(index, found);
        void found.load();
      }
      return found;
    },
    close() {
      stopRetrying();
      window.clearTimeout(retry);
      window.cancelAnimationFrame(frame);
      unfollow();
    },
  };
}

let current: OpenExploration | null = null;

/** The exploration on the page; opening another closes it. */
export function openExploration(id: string): OpenExploration {
  if (current?.id !== id) {
    current?.close();
    current = open(id);
  }
  return current;
}
