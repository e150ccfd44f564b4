/** Calls of the catalog. */
import { answer, client } from "./client";
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
