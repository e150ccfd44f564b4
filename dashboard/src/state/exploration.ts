/** One opened exploration: its document, its live stream, its front, and the report of a design. */
import { batch, computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { type DesignCase, explainDesign, type FloorplanAnswer, getModel, planFloorplan } from "../api/designs";
import { followExploration } from "../api/events";
import { getDesign, getExploration, getFront, getHistory, getMeasurements, getReport } from "../api/explorations";
import type { FrontView } from "../domain/columns";
import type { CostReport, Exploration, FrontDesign, Measurements } from "../domain/documents";
import type { Explanation } from "../domain/explanation";
import { REGISTRY } from "../domain/registry";
import type { ModelConfig } from "../domain/roofline";
import { selectedRows } from "../domain/selection";
import { type HistoryPoint, initialLive, isFinished, type Live, reduceLive } from "../domain/live";
import { type Cloud, openCloud } from "./cloud";
import { refreshExplorations } from "./explorations";
import { type Resource, resource } from "./resource";
import { route } from "./router";

export interface OpenExploration {
  readonly id: string;
  readonly detail: Resource<Exploration>;
  readonly live: ReadonlySignal<Live | null>;
  readonly front: Resource<FrontView>;
  readonly measurements: Resource<Measurements>;
  /** Every design that was priced; asks for nothing until somebody wants columns. */
  readonly cloud: Cloud;
  /** One byte a design of the front, 1 where it is selected; null where nothing is selected. */
  readonly frontMask: ReadonlySignal<Uint8Array | null>;
  /** The same of the rows of the cloud. */
  readonly cloudMask: ReadonlySignal<Uint8Array | null>;
  design(index: number): Resource<FrontDesign>;
  report(index: number): Resource<CostReport>;
  /** Seconds of the server each: asked for when somebody looks. */
  floorplan(index: number): Resource<FloorplanAnswer>;
  explanation(index: number): Resource<Explanation>;
  /** The model that was explored; loads when it is first asked for. */
  model(): Resource<ModelConfig>;
  /** A design with what it is priced for. */
  designCase(index: number): Promise<DesignCase>;
  close(): void;
}

const KEPT = 64;

/** What belongs to a design of the front, loaded when it is first asked for. */
function cache<T>(load: (index: number) => Promise<T>): (index: number) => Resource<T> {
  const known = new Map<number, Resource<T>>();
  return (index) => {
    let found = known.get(index);
    if (found === undefined) {
      if (known.size >= KEPT) known.delete(known.keys().next().value!);
      found = resource(() => load(index));
      known.set(index, found);
      void found.load();
    }
    return found;
  };
}

/** How the search went until now; a page without its past is still a page. */
function pastOf(id: string): Promise<readonly HistoryPoint[]> {
  return getHistory(id).catch(() => []);
}

function open(id: string): OpenExploration {
  const detail = resource(() => getExploration(id));
  const front = resource(() => getFront(id));
  const live = signal<Live | null>(null);
  const measurements = resource(() => getMeasurements(id));
  const cloud = openCloud(id);
  const designs = cache((index) => getDesign(id, index));
  const reports = cache((index) => getReport(id, index));
  const designCase = async (index: number): Promise<DesignCase> => {
    const [{ model, device, workload }, { design }] = await Promise.all([detail.state.value.data ?? getExploration(id), designs(index).state.value.data ?? getDesign(id, index)]);
    return { design, model, device, workload };
  };
  const floorplans = cache(async (index) => planFloorplan(await designCase(index)));
  const explanations = cache(async (index) => explainDesign(await designCase(index), [...REGISTRY.metrics.keys()]));
  const models = cache(async () => getModel((detail.state.value.data ?? (await getExploration(id))).model));
  let unfollow = (): void => undefined;
  let frame = 0;

  const finish = async (): Promise<void> => {
    await Promise.all([detail.load(), front.load(), refreshExplorations()]);
  };

  const start = async (): Promise<void> => {
    await detail.load();
    const document = detail.state.value.data;
    if (document === null) return;
    if (isFinished(document.state)) {
      live.value = initialLive(document.state);
      const remember = async (): Promise<void> => {
        live.value = initialLive(document.state, null, await pastOf(id));
      };
      await Promise.all([front.load(), measurements.load(), remember()]);
      return;
    }
    live.value = initialLive(document.state, document.progress ?? null, await pastOf(id));
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
    measurements,
    cloud,
    frontMask: computed(() => {
      const table = front.state.value.data?.table ?? null;
      return table === null ? null : selectedRows(table, route.value.view.selection);
    }),
    cloudMask: computed(() => (cloud.table.value === null ? null : selectedRows(cloud.table.value, route.value.view.selection))),
    design: designs,
    report: reports,
    floorplan: floorplans,
    explanation: explanations,
    model: () => models(0),
    designCase,
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
