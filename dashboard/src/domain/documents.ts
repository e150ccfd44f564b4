/** The documents of the server under the names that this page uses; the shapes come from the OpenAPI document. */
import type { components } from "../client/schema";

type Schemas = components["schemas"];

export type ExplorationSummary = Schemas["ExplorationSummary"];
export type ExplorationPage = Schemas["ExplorationPage"];
export type Exploration = Schemas["Exploration"];
export type NewExploration = Schemas["ExplorationInput"];
export type Progress = NonNullable<Exploration["progress"]>;
export type SearchRecord = NonNullable<Exploration["record"]>;
export type ExplorationState = Exploration["state"];
export type Method = Exploration["method"];

export type SpaceEstimate = Schemas["Preview"];
export type EvaluatedRow = Schemas["EvaluationRow"];

export type Front = Schemas["Front"];
export type FrontDesign = Schemas["FrontDesign"];
export type Measurements = Schemas["Measurements"];
export type Measured = Schemas["Measured"];
export type DesignPoint = FrontDesign["design"];

export type CostReport = Schemas["Evaluation"];
export type QualityReport = CostReport["quality"];
export type ModuleCost = CostReport["breakdown"][number];
export type ChannelTraffic = CostReport["memory"]["channels"][number];
export type Utilization = CostReport["prefill"]["utilization"];
export type ResourceVector = CostReport["prefill"]["resources"];
export type Violation = CostReport["violations"][number];
export type ErrorBand = CostReport["error_band"][string];
export type Stage = ModuleCost["stage"];
export type Bound = ModuleCost["bound_by"];
export type Bitstream = Schemas["BitstreamFloorplan"];
export type Provenance = CostReport["provenance"];

export type DeviceSummary = Schemas["DeviceSummary"];
export type ModelSummary = Schemas["ModelSummary"];
export type DesignSummary = Schemas["DesignSummary"];
export type Workload = ExplorationSummary["workload"];
