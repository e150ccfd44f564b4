/** Calls of the catalog. */
import { answer, client } from "./client";
import type { ReferenceTimes } from "../domain/references";
import type { CostReport, DesignSummary, DeviceSummary, ModelSummary, Workload } from "../domain/documents";

export async function listDevices(): Promise<readonly DeviceSummary[]> {
  return (await answer(client.GET("/api/v1/devices"))).items;
}

export async function listModels(): Promise<readonly ModelSummary[]> {
  return (await answer(client.GET("/api/v1/models"))).items;
}

export async function listDesigns(): Promise<readonly DesignSummary[]> {
  return (await answer(client.GET("/api/v1/designs"))).items;
}

/** A published design of the catalog on a workload. */
export function evaluatePublished(design: string, model: string, device: string, workload: Workload): Promise<CostReport> {
  // One design is answered with its report, whatever else the route has for many.
  const call = client.POST("/api/v1/designs:evaluate", { body: { design, model, device, workload, floorplan: false }, headers: { Accept: "application/json" } });
  return answer<unknown>(call) as Promise<CostReport>;
}

export interface ReferenceSystem {
  readonly name: string;
  readonly title: string;
  readonly times: ReferenceTimes;
}

/** The systems of the catalog that ran `model`, other than the published designs, with the rates that are known of them. */
export async function referenceSystems(model: string, designs: readonly DesignSummary[]): Promise<readonly ReferenceSystem[]> {
  const { items } = await answer(client.GET("/api/v1/references"));
  // The rates come with the comparison of a design; which one does not matter to them.
  const any = designs.find((design) => design.model === model);
  if (any === undefined) return [];
  const systems = items.filter((item) => item.model === model && !designs.some((design) => design.name === item.name));
  return Promise.all(
    systems.map(async ({ name, title }) => {
      const body = { design: any.name, model, device: any.device, workload: { prompt_tokens: 1000, output_tokens: 1000, batch: 1 as const }, reference: name };
      const { reference } = await answer(client.POST("/api/v1/designs:compare-reference", { body }));
      return { name, title, times: (reference as unknown as { readonly times: ReferenceTimes }).times };
    }),
  );
}
