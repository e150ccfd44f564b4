/** The form of a new exploration, kept while other pages are looked at. */
import { signal } from "@preact/signals";
import { type Draft, initialDraft } from "../domain/draft";
import { REGISTRY } from "../domain/registry";

export const draft = signal<Draft>(initialDraft(REGISTRY.defaultObjectives, REGISTRY.defaultBudget));
