/** Calls of the projects resource: generated projects, their files, the tool runs on them, their reports. */
import type { components } from "../client/schema";
import { answer, client } from "./client";

type Schemas = components["schemas"];
export type Project = Schemas["Project"];
export type Run = Schemas["Run"];
export type Step = Run["step"];
export type ProjectFile = Schemas["ProjectFile"];
export type Report = Schemas["Report"];

export function generateProject(exploration: string, index: number): Promise<Project> {
  return answer(client.POST("/api/v1/explorations/{exploration_id}:generate", { params: { path: { exploration_id: exploration } }, body: { index } as Schemas["ProjectOfFront"] }));
}

export function getProject(id: string): Promise<Project> {
  return answer(client.GET("/api/v1/projects/{project_id}", { params: { path: { project_id: id } } }));
}

export async function listProjectsOf(designKey: string): Promise<readonly Schemas["ProjectSummary"][]> {
  // Newest first: the first page that has one has the newest.
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page: Schemas["ProjectPage"] = await answer(client.GET("/api/v1/projects", { params: { query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } } }));
    const found = page.items.filter((item) => item.design_key === designKey);
    if (found.length > 0) return found;
    cursor = page.next_cursor;
  }
  return [];
}

export async function listFiles(id: string): Promise<readonly ProjectFile[]> {
  return (await answer(client.GET("/api/v1/projects/{project_id}/files", { params: { path: { project_id: id } } }))).items;
}

export async function readFile(id: string, path: string): Promise<string> {
  const call = client.GET("/api/v1/projects/{project_id}/files/{path}", { params: { path: { project_id: id, path } }, parseAs: "text" });
  return (await answer<unknown>(call)) as string;
}

export function downloadHref(id: string): string {
  return `/api/v1/projects/${encodeURIComponent(id)}/download`;
}

export async function listRuns(id: string): Promise<readonly Run[]> {
  return (await answer(client.GET("/api/v1/projects/{project_id}/runs", { params: { path: { project_id: id } } }))).items;
}

export function startRun(id: string, step: Step): Promise<Run> {
  const params = { params: { path: { project_id: id } } };
  switch (step) {
    // Every option has a default on the server.
    case "csim":
      return answer(client.POST("/api/v1/projects/{project_id}:csim", { ...params, body: {} as Schemas["CsimOptions"] }));
    case "simulate":
      return answer(client.POST("/api/v1/projects/{project_id}:simulate", { ...params, body: {} as Schemas["SimulateOptions"] }));
    case "synthesize":
      return answer(client.POST("/api/v1/projects/{project_id}:synthesize", { ...params, body: {} as Schemas["SynthesizeOptions"] }));
  }
}

/** The report of a run; null where it wrote none. */
export async function reportOf(runId: string): Promise<Report | null> {
  const { items } = await answer(client.GET("/api/v1/reports", { params: { query: { run_id: runId } } }));
  const first = items[0];
  return first === undefined ? null : answer(client.GET("/api/v1/reports/{report_id}", { params: { path: { report_id: first.id } } }));
}
