/** Calls of the explorations resource. */
import { answer, client } from "./client";
import type { CostReport, Exploration, ExplorationPage, Front, NewExploration } from "../domain/documents";

export function listExplorations(cursor?: string): Promise<ExplorationPage> {
  return answer(client.GET("/api/v1/explorations", { params: { query: cursor === undefined ? {} : { cursor } } }));
}

export function getExploration(id: string): Promise<Exploration> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}", { params: { path: { exploration_id: id } } }));
}

export function getFront(id: string): Promise<Front> {
  const call = client.GET("/api/v1/explorations/{exploration_id}/front", {
    params: { path: { exploration_id: id } },
    headers: { Accept: "application/json" }, // the same as Arrow, Parquet and CSV: see the contract
  });
  return answer<unknown>(call) as Promise<Front>;
}

export function getReport(id: string, index: number): Promise<CostReport> {
  return answer(client.GET("/api/v1/explorations/{exploration_id}/front/{index}/report", { params: { path: { exploration_id: id, index } } }));
}

export function submitExploration(body: NewExploration): Promise<Exploration> {
  return answer(client.POST("/api/v1/explorations", { body }));
}

export function cancelExploration(id: string): Promise<Exploration> {
  return answer(client.POST("/api/v1/explorations/{exploration_id}:cancel", { params: { path: { exploration_id: id } } }));
}
