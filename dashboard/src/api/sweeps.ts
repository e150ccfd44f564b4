/** Calls of the sweeps resource. */
import type { components } from "../client/schema";
import type { NewSweep } from "../domain/sweepDraft";
import { answer, client } from "./client";

type Schemas = components["schemas"];
export type Sweep = Schemas["Sweep"];
export type SweepSummary = Schemas["SweepSummary"];
export type SweepReport = Schemas["SweepReport"];
export type SweepPreview = Schemas["SweepPreview"];
export type SweepNight = Schemas["SweepNight"];

export async function listSweeps(): Promise<readonly SweepSummary[]> {
  return (await answer(client.GET("/api/v1/sweeps", { params: { query: { limit: 100 } } }))).items;
}

export function getSweep(id: string): Promise<Sweep> {
  return answer(client.GET("/api/v1/sweeps/{sweep_id}", { params: { path: { sweep_id: id } } }));
}

export function getSweepReport(id: string): Promise<SweepReport> {
  return answer(client.GET("/api/v1/sweeps/{sweep_id}/report", { params: { path: { sweep_id: id } } }));
}

/** What the sweep would explore and when, without starting it; refused as the submit would be. */
export function validateSweep(body: NewSweep, signal: AbortSignal): Promise<SweepPreview> {
  return answer(client.POST("/api/v1/sweeps:validate", { body, signal }));
}

export function submitSweep(body: NewSweep): Promise<Sweep> {
  return answer(client.POST("/api/v1/sweeps", { body }));
}

export async function cancelSweep(id: string): Promise<void> {
  await answer(client.POST("/api/v1/sweeps/{sweep_id}:cancel", { params: { path: { sweep_id: id } } }));
}
