/** Light, dark, or what the system says; kept for the next visit. */
import { computed, effect, signal } from "@preact/signals";

export type ThemeChoice = "system" | "light" | "dark";

const KEY = "flexdse.theme";
const query = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(query.matches);

query.addEventListener("change", (event) => {
  systemDark.value = event.matches;
});

function stored(): ThemeChoice {
  try {
    const value = window.localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // storage is closed in some privacy modes
  }
}

export const themeChoice = signal<ThemeChoice>(stored());

/** Whether the page is dark now: for what CSS cannot colour. */
export const dark = computed(() => (themeChoice.value === "system" ? systemDark.value : themeChoice.value === "dark"));

export function chooseTheme(choice: ThemeChoice): void {
  themeChoice.value = choice;
  try {
    window.localStorage.setItem(KEY, choice);
  } catch {
    // the choice then holds until the page is left
  }
}

effect(() => {
  document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
});
