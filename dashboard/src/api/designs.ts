/** Calls about one design: what takes the server seconds, so that a page asks for it only when it is looked at. */
import type { components } from "../client/schema";
import type { CostReport, DesignPoint, Workload } from "../domain/documents";
import { type Explanation, readExplanation } from "../domain/explanation";
import type { ModelConfig } from "../domain/roofline";
import { answer, client, patientFetch } from "./client";

/** A design with what it is priced for; model and device by their names. */
export interface DesignCase {
  readonly design: DesignPoint;
  readonly model: string;
  readonly device: string;
  readonly workload: Workload;
}

export interface FloorplanAnswer {
  readonly floorplan: components["schemas"]["Floorplan"] | null;
  /** Why there is none. */
  readonly missing: string | null;
}

/** The whole report of a design, without its floorplan. */
export function priceDesign(subject: DesignCase): Promise<CostReport> {
  const call = client.POST("/api/v1/designs:evaluate", { body: { ...subject, floorplan: false }, headers: { Accept: "application/json" }, fetch: patientFetch });
  return answer<unknown>(call) as Promise<CostReport>;
}

export async function planFloorplan(subject: DesignCase): Promise<FloorplanAnswer> {
  const call = client.POST("/api/v1/designs:evaluate", { body: { ...subject, floorplan: true }, headers: { Accept: "application/json" }, fetch: patientFetch });
  const report = (await answer<unknown>(call)) as CostReport;
  return { floorplan: report.floorplan, missing: report.floorplan_missing ?? null };
}

/** What binds the design and what one step of each knob does to `metrics`; with `target`, what it would take. */
export async function explainDesign(subject: DesignCase, metrics: readonly string[], target: string | null = null): Promise<Explanation> {
  const call = client.POST("/api/v1/designs:explain", { body: { ...subject, metrics: [...metrics], target }, fetch: patientFetch });
  return readExplanation(await answer(call));
}

export function getModel(name: string): Promise<ModelConfig> {
  return answer(client.GET("/api/v1/models/{name}", { params: { path: { name } } }));
}
