/** Published designs for the same model and card, priced on the same workload, as marks in the scatter. */
import { signal } from "@preact/signals";
import { evaluatePublished, listDesigns } from "../api/catalog";
import type { Workload } from "../domain/documents";
import type { MetricValues } from "../domain/metrics";

export interface Reference {
  readonly name: string;
  readonly title: string;
  readonly metrics: MetricValues;
}

const NONE: readonly Reference[] = [];
const found = signal<ReadonlyMap<string, readonly Reference[]>>(new Map());
const asked = new Set<string>();

async function load(key: string, model: string, device: string, workload: Workload): Promise<void> {
  try {
    const designs = (await listDesigns()).filter((design) => design.model === model && design.device === device);
    const priced = await Promise.all(
      designs.map(async (design): Promise<Reference | null> => {
        try {
          const report = await evaluatePublished(design.name, model, device, workload);
          const fit = report.violations.length === 0 ? "" : " (breaks a limit)";
          return { name: design.name, title: design.name + fit, metrics: report.metrics };
        } catch {
          return null; // this workload is beyond the published design: it has no mark
        }
      }),
    );
    found.value = new Map(found.value).set(key, priced.filter((reference) => reference !== null));
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
