/** Calls of the sweeps resource. */
import type { components } from "../client/schema";
import { answer, client } from "./client";

type Schemas = components["schemas"];
export type SweepSummary = Schemas["SweepSummary"];
export type SweepReport = Schemas["SweepReport"];

export async function listSweeps(): Promise<readonly SweepSummary[]> {
  return (await answer(client.GET("/api/v1/sweeps", { params: { query: { limit: 100 } } }))).items;
}

export function getSweepReport(id: string): Promise<SweepReport> {
  return answer(client.GET("/api/v1/sweeps/{sweep_id}/report", { params: { path: { sweep_id: id } } }));
}

export async function cancelSweep(id: string): Promise<void> {
  await answer(client.POST("/api/v1/sweeps/{sweep_id}:cancel", { params: { path: { sweep_id: id } } }));
}
