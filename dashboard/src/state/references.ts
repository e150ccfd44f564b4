/** Published designs for the same model and card, priced on the same workload, and other systems by their rates: marks in the scatter. */
import { signal } from "@preact/signals";
import { evaluatePublished, listDesigns, referenceSystems } from "../api/catalog";
import type { Workload } from "../domain/documents";
import type { MetricValues } from "../domain/metrics";
import { referenceMetrics } from "../domain/references";

export interface Reference {
  readonly name: string;
  readonly title: string;
  /** What it is and how its numbers are known, where the models did not price it. */
  readonly note: string | null;
  readonly metrics: MetricValues;
}

const NONE: readonly Reference[] = [];
const found = signal<ReadonlyMap<string, readonly Reference[]>>(new Map());
const asked = new Set<string>();

async function load(key: string, model: string, device: string, workload: Workload): Promise<void> {
  try {
    const known = await listDesigns();
    const systems = referenceSystems(model, known).catch(() => []);
    const priced = await Promise.all(
      known.filter((design) => design.model === model && design.device === device).map(async (design): Promise<Reference | null> => {
        try {
          const report = await evaluatePublished(design.name, model, device, workload);
          const fit = report.violations.length === 0 ? "" : " (breaks a limit)";
          return { name: design.name, title: design.name + fit, note: null, metrics: report.metrics };
        } catch {
          return null; // this workload is beyond the published design: it has no mark
        }
      }),
    );
    const others = (await systems).map(({ name, title, times }): Reference => ({ name, title: name, note: title, metrics: referenceMetrics(times, workload) }));
    found.value = new Map(found.value).set(key, [...priced.filter((reference) => reference !== null), ...others]);
  } catch {
    asked.delete(key); // without an answer there are no marks; the next visit asks again
  }
}

/** What is known by now; the first call for a model, card and workload starts the loading. */
export function references(model: string, device: string, promptTokens: number, outputTokens: number): readonly Reference[] {
  const key = JSON.stringify([model, device, promptTokens, outputTokens]);
  if (!asked.has(key)) {
    asked.add(key);
    void load(key, model, device, { prompt_tokens: promptTokens, output_tokens: outputTokens, batch: 1 });
  }
  return found.value.get(key) ?? NONE;
}
