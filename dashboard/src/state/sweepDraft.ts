/** The form of a new sweep, kept while other pages are looked at. */
import { signal } from "@preact/signals";
import { REGISTRY } from "../domain/registry";
import { initialSweep, type SweepDraft } from "../domain/sweepDraft";

export const sweepDraft = signal<SweepDraft>(initialSweep(REGISTRY.defaultObjectives, REGISTRY.defaultBudget, Intl.DateTimeFormat().resolvedOptions().timeZone));
