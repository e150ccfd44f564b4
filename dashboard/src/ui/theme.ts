/** Light or dark, for what CSS cannot colour. */
import { signal } from "@preact/signals";

const query = window.matchMedia("(prefers-color-scheme: dark)");

export const dark = signal(query.matches);

query.addEventListener("change", (event) => {
  dark.value = event.matches;
});
