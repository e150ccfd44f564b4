/** Calls of the explorations resource. */
import { answer, client } from "./client";
import type { FrontView } from "../domain/columns";
import type { CostReport, EvaluatedRow, Exploration, ExplorationPage, ExplorationState, FrontDesign, Measurements, NewExploration, SpaceEstimate } from "../domain/documents";
import { type HistoryPoint, historyOf } from "../domain/live";
import { getFrontTable } from "./evaluations";

export function listExplorations(query: { readonly cursor?: string; readonly state?: ExplorationState } = {}): Promise<ExplorationPage> {
  return answer(client.GET("/api/v1/explorations", { params: { query } }));
}

export function getExploration(id: string): Promise<Exploration> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}", { params: { path: { exploration_id: id } } }));
}

/** What holds for the whole front. */
export async function getFrontHead(id: string): Promise<FrontView["head"]> {
  const call = client.GET("/api/v1/explorations/{exploration_id}/front", {
    params: { path: { exploration_id: id }, query: { limit: 1, fields: "index" } },
    headers: { Accept: "application/json" },
  });
  return (await answer<unknown>(call)) as FrontView["head"];
}

/** The head comes as JSON, the designs as a table: a whole design is some 4 kB. */
export async function getFront(id: string): Promise<FrontView> {
  const [head, { table }] = await Promise.all([getFrontHead(id), getFrontTable(id)]);
  return { head, table };
}

/** The whole designs of a front, some 4 kB each. */
export async function getFrontEntries(id: string): Promise<readonly FrontDesign[]> {
  const call = client.GET("/api/v1/explorations/{exploration_id}/front", {
    params: { path: { exploration_id: id } },
    headers: { Accept: "application/json" },
  });
  return ((await answer<unknown>(call)) as { entries: readonly FrontDesign[] }).entries;
}

/** One design of a front, whole. */
export function getDesign(id: string, index: number): Promise<FrontDesign> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}/front/{index}", { params: { path: { exploration_id: id, index } } }));
}

export function getMeasurements(id: string): Promise<Measurements> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}/measurements", { params: { path: { exploration_id: id } } }));
}

export function getReport(id: string, index: number): Promise<CostReport> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}/front/{index}/report", { params: { path: { exploration_id: id, index } } }));
}

/** What the search would price, without starting it; refused as the submit would be. */
export function validateExploration(body: NewExploration, signal: AbortSignal): Promise<SpaceEstimate> {
  return answer(client.POST("/api/v1/explorations:validate", { body, signal }));
}

/** How the search went, at most 500 points. */
export async function getHistory(id: string): Promise<readonly HistoryPoint[]> {
  const { columns } = await answer(client.GET("/api/v1/explorations/{exploration_id}/history", { params: { path: { exploration_id: id } } }));
  return historyOf(columns);
}

/** One row of the table of all that was priced: the whole design, and what it breaks. */
export function getEvaluationRow(id: string, row: number): Promise<EvaluatedRow> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}/evaluations/{row}", { params: { path: { exploration_id: id, row } } }));
}

export function submitExploration(body: NewExploration): Promise<Exploration> {
  return answer(client.POST("/api/v1/explorations", { body }));
}

export function cancelExploration(id: string): Promise<Exploration> {
  return answer(client.POST("/api/v1/explorations/{exploration_id}:cancel", { params: { path: { exploration_id: id } } }));
}
