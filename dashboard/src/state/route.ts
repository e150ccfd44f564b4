/** What the address says: the page, the selected exploration and design, and the axes in view. */
import type { ScaleKind } from "../domain/scale";

export type Page =
  | { readonly name: "home" }
  | { readonly name: "new" }
  | { readonly name: "exploration"; readonly id: string }
  | { readonly name: "design"; readonly id: string; readonly index: number }
  | { readonly name: "unknown"; readonly path: string };

export interface View {
  readonly x: string | null;
  readonly y: string | null;
  /** Metric shown as colour; "" is none, null the default. */
  readonly colour: string | null;
  readonly xKind: ScaleKind | null;
  readonly yKind: ScaleKind | null;
}

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
    xKind: kind(query.get("xscale")),
    yKind: kind(query.get("yscale")),
  };
  return { page: parsePage(path), view };
}

function parsePage(path: string): Page {
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.length === 0) return { name: "home" };
  if (parts[0] === "new" && parts.length === 1) return { name: "new" };
  if (parts[0] === "explorations" && parts[1] !== undefined) {
    let id: string;
    try {
      id = decodeURIComponent(parts[1]);
    } catch {
      return { name: "unknown", path };
    }
    if (parts.length === 2) return { name: "exploration", id };
    if (parts.length === 4 && parts[2] === "designs" && /^\d{1,9}$/.test(parts[3]!)) {
      return { name: "design", id, index: Number(parts[3]) };
    }
  }
  return { name: "unknown", path };
}

export function formatPage(page: Page): string {
  switch (page.name) {
    case "home":
      return "/";
    case "new":
      return "/new";
    case "exploration":
      return `/explorations/${encodeURIComponent(page.id)}`;
    case "design":
      return `/explorations/${encodeURIComponent(page.id)}/designs/${page.index}`;
    case "unknown":
      return page.path;
  }
}

export function formatView(view: Partial<View>): string {
  const query = new URLSearchParams();
  if (view.x) query.set("x", view.x);
  if (view.y) query.set("y", view.y);
  if (view.colour !== null && view.colour !== undefined) query.set("colour", view.colour);
  if (view.xKind) query.set("xscale", view.xKind);
  if (view.yKind) query.set("yscale", view.yKind);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
