/** The designs chosen to be compared, kept for this browser: whoever comes to the next design by another way finds them again. */
import { signal } from "@preact/signals";
import type { DesignRef } from "./route";

const KEY = "flexdse-compare";

function stored(): readonly DesignRef[] {
  try {
    const found: unknown = JSON.parse(window.localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((ref): ref is DesignRef => typeof ref?.exploration === "string" && Number.isInteger(ref?.index)) : [];
  } catch {
    return []; // no storage, or not ours
  }
}

export const basket = signal<readonly DesignRef[]>(stored());

export function setBasket(refs: readonly DesignRef[]): void {
  basket.value = refs;
  try {
    window.localStorage.setItem(KEY, JSON.stringify(refs));
  } catch {
    // without storage they last as long as the page
  }
}

/** Those that were chosen, and this one. */
export function withDesign(chosen: readonly DesignRef[], exploration: string, index: number): readonly DesignRef[] {
  const others = chosen.filter((ref) => ref.exploration !== exploration || ref.index !== index);
  return [...others, { exploration, index }];
}
