/** Everything that was measured on this server, beside what its models say now; calibrations. */
import type { components } from "../client/schema";
import { type Measurement, measurementPair, type Pair, toldPairs } from "../domain/measured";
import { answer, ApiError, client } from "./client";
import { getMeasurements } from "./explorations";

type Schemas = components["schemas"];
export type Calibration = Schemas["Calibration"];
export type CalibrationSummary = Schemas["CalibrationSummary"];

/** So many of the newest projects, and explorations, are looked at. */
export const MOST_ASKED = 100;

/** What simulations and syntheses of a project say, each beside the prediction of the models of now. */
export async function projectPairs(id: string): Promise<Pair[]> {
  try {
    const { items } = await answer(client.GET("/api/v1/projects/{project_id}/measurements", { params: { path: { project_id: id } } }));
    return items.map(measurementPair);
  } catch (error) {
    // Its files were removed, or all of it was: what was measured of it went with them.
    if (error instanceof ApiError && [404, 409].includes(error.problem.status)) return [];
    throw error;
  }
}

/** What the tools said of the projects of this server, and what was told of the designs of its explorations. */
export async function measuredPairs(): Promise<readonly Pair[]> {
  const [projects, explorations] = await Promise.all([answer(client.GET("/api/v1/projects", { params: { query: { limit: MOST_ASKED } } })), answer(client.GET("/api/v1/explorations", { params: { query: { limit: MOST_ASKED } } }))]);
  const ofTools = projects.items.filter((item) => item.state === "succeeded").map((item) => projectPairs(item.id));
  const told = explorations.items.filter((item) => item.state === "succeeded").map(async (item) => toldPairs(item.device, await getMeasurements(item.id)));
  return (await Promise.all([...ofTools, ...told])).flat();
}

export async function listCalibrations(): Promise<readonly CalibrationSummary[]> {
  return (await answer(client.GET("/api/v1/calibrations", { params: { query: { limit: 100 } } }))).items;
}

export function getCalibration(id: string): Promise<Calibration> {
  return answer(client.GET("/api/v1/calibrations/{calibration_id}", { params: { path: { calibration_id: id } } }));
}

/** Fits factors on the measurements, which are all of one device and one version of the models. */
export function calibrate(name: string, measurements: readonly Measurement[]): Promise<Calibration> {
  return answer(client.POST("/api/v1/calibrations", { body: { name, measurements: [...measurements], projects: [] } }));
}
