/** The address bar as a signal. */
import { computed, signal } from "@preact/signals";
import { formatPage, formatView, type Page, parseRoute, type View } from "./route";

const location = signal({ path: window.location.pathname, search: window.location.search });

window.addEventListener("popstate", () => {
  location.value = { path: window.location.pathname, search: window.location.search };
});

export const route = computed(() => parseRoute(location.value.path, location.value.search));

export function href(page: Page, view: Partial<View> = {}): string {
  return formatPage(page) + formatView(view);
}

export function navigate(target: string, { replace = false }: { replace?: boolean } = {}): void {
  if (target === location.value.path + location.value.search) return;
  if (replace) window.history.replaceState(null, "", target);
  else window.history.pushState(null, "", target);
  location.value = { path: window.location.pathname, search: window.location.search };
}

/** Another pair of axes is the same page: it replaces the entry in the history. */
export function setView(change: Partial<View>): void {
  const { page, view } = route.value;
  navigate(href(page, { ...view, ...change }), { replace: true });
}
