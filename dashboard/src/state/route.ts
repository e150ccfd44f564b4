/** What the address says: the page, what it shows of which exploration, the axes and the selection in view. */
import type { ScaleKind } from "../domain/scale";
import { formatSelection, NO_SELECTION, parseSelection, type Selection } from "../domain/selection";

/** How somebody arranged the axes of the parallel coordinates; empty where they stand as they come. */
export interface ParallelView {
  /** Names of axes from left to right; those that are not named follow. */
  readonly order: readonly string[];
  readonly turned: readonly string[];
  readonly hidden: readonly string[];
}

export const NO_PARALLEL: ParallelView = { order: [], turned: [], hidden: [] };

/** A design by its exploration and its number on the front. */
export interface DesignRef {
  readonly exploration: string;
  readonly index: number;
}

export type Page =
  | { readonly name: "home" }
  | { readonly name: "new" }
  | { readonly name: "explorations" }
  | { readonly name: "exploration"; readonly id: string }
  | { readonly name: "design"; readonly id: string; readonly index: number }
  | { readonly name: "evaluation"; readonly id: string; readonly row: number }
  | { readonly name: "compare" }
  | { readonly name: "measurements" }
  | { readonly name: "jobs" }
  | { readonly name: "job"; readonly id: string }
  | { readonly name: "project"; readonly id: string }
  | { readonly name: "sweeps" }
  | { readonly name: "new-sweep" }
  | { readonly name: "sweep"; readonly id: string }
  | { readonly name: "unknown"; readonly path: string };

export interface View {
  readonly x: string | null;
  readonly y: string | null;
  /** Metric shown as colour; "" is none, null the default. */
  readonly colour: string | null;
  /** Metric shown as size of the points of the front; null is none. */
  readonly size: string | null;
  readonly xKind: ScaleKind | null;
  readonly yKind: ScaleKind | null;
  /** Infeasible designs are left out. */
  readonly feasibleOnly: boolean;
  /** The part of the page that is open, where it has parts. */
  readonly tab: string | null;
  readonly selection: Selection;
  readonly parallel: ParallelView;
  /** Designs put side by side, in this order. */
  readonly designs: readonly DesignRef[];
  /** Explorations put side by side. */
  readonly explorations: readonly string[];
}

export const NO_VIEW: View = {
  x: null,
  y: null,
  colour: null,
  size: null,
  xKind: null,
  yKind: null,
  feasibleOnly: false,
  tab: null,
  selection: NO_SELECTION,
  parallel: NO_PARALLEL,
  designs: [],
  explorations: [],
};

export interface Route {
  readonly page: Page;
  readonly view: View;
}

function kind(value: string | null): ScaleKind | null {
  return value === "log" || value === "linear" ? value : null;
}

export function parseRoute(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  const view: View = {
    x: query.get("x"),
    y: query.get("y"),
    colour: query.get("colour"),
    size: query.get("size"),
    xKind: kind(query.get("xscale")),
    yKind: kind(query.get("yscale")),
    feasibleOnly: query.get("infeasible") === "hide",
    tab: query.get("tab"),
    selection: parseSelection(query),
    parallel: { order: names(query.get("order")), turned: names(query.get("turned")), hidden: names(query.get("hidden")) },
    designs: query.getAll("design").flatMap(parseDesignRef),
    explorations: query.getAll("exploration"),
  };
  return { page: parsePage(path), view };
}

/** Names of columns between commas; what is no name is left out. */
function names(text: string | null): readonly string[] {
  return [...new Set((text ?? "").split(",").filter((name) => /^[\w.]+$/.test(name)))];
}

function parseDesignRef(text: string): DesignRef[] {
  const match = /^(.+):(\d{1,9})$/.exec(text);
  return match === null ? [] : [{ exploration: match[1]!, index: Number(match[2]) }];
}

/** Pages with a name alone, and pages of one thing by its id. */
const PLAIN = ["new", "explorations", "compare", "measurements", "jobs", "sweeps", "new-sweep"] as const;
const OF_ONE = { explorations: "exploration", jobs: "job", projects: "project", sweeps: "sweep" } as const;

function parsePage(path: string): Page {
  const unknown: Page = { name: "unknown", path };
  let parts: string[];
  try {
    parts = path.split("/").filter((part) => part !== "").map(decodeURIComponent);
  } catch {
    return unknown;
  }
  const [first, id, third, fourth] = parts;
  if (first === undefined) return { name: "home" };
  if (id === undefined) {
    const name = PLAIN.find((candidate) => candidate === first);
    return name === undefined ? unknown : { name };
  }
  if (first === "explorations" && parts.length === 4 && third === "designs" && /^\d{1,9}$/.test(fourth!)) {
    return { name: "design", id, index: Number(fourth) };
  }
  if (first === "explorations" && parts.length === 4 && third === "evaluations" && /^\d{1,9}$/.test(fourth!)) {
    return { name: "evaluation", id, row: Number(fourth) };
  }
  const name = Object.hasOwn(OF_ONE, first) ? OF_ONE[first as keyof typeof OF_ONE] : undefined;
  return name === undefined || parts.length !== 2 ? unknown : { name, id };
}

export function formatPage(page: Page): string {
  switch (page.name) {
    case "home":
      return "/";
    case "exploration":
    case "job":
    case "project":
    case "sweep":
      return `/${page.name}s/${encodeURIComponent(page.id)}`;
    case "design":
      return `/explorations/${encodeURIComponent(page.id)}/designs/${page.index}`;
    case "evaluation":
      return `/explorations/${encodeURIComponent(page.id)}/evaluations/${page.row}`;
    case "unknown":
      return page.path;
    default:
      return `/${page.name}`;
  }
}

export function formatView(view: Partial<View>): string {
  const query = new URLSearchParams();
  if (view.x) query.set("x", view.x);
  if (view.y) query.set("y", view.y);
  if (view.colour !== null && view.colour !== undefined) query.set("colour", view.colour);
  if (view.size) query.set("size", view.size);
  if (view.xKind) query.set("xscale", view.xKind);
  if (view.yKind) query.set("yscale", view.yKind);
  if (view.feasibleOnly) query.set("infeasible", "hide");
  if (view.tab) query.set("tab", view.tab);
  if (view.selection) formatSelection(view.selection, query);
  for (const [key, list] of Object.entries(view.parallel ?? NO_PARALLEL) as [string, readonly string[]][]) if (list.length > 0) query.set(key, list.join(","));
  for (const { exploration, index } of view.designs ?? []) query.append("design", `${exploration}:${index}`);
  for (const id of view.explorations ?? []) query.append("exploration", id);
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text === "" ? "" : `?${text}`;
}
