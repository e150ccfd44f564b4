/** The metric registry: what the server sent, else the copy that was generated with the client. */
import registry from "../client/registry.json";
import type { FrontView } from "./columns";
import type { MetricInfo } from "./metrics";

export interface Registry {
  readonly metrics: ReadonlyMap<string, MetricInfo>;
  readonly defaultObjectives: readonly string[];
  readonly maxObjectives: number;
  readonly defaultBudget: number;
  readonly notModelled: readonly string[];
}

function byName(metrics: readonly MetricInfo[]): ReadonlyMap<string, MetricInfo> {
  return new Map(metrics.map((metric) => [metric.name, metric]));
}

export const REGISTRY: Registry = {
  metrics: byName(registry.metrics as readonly MetricInfo[]),
  defaultObjectives: registry.default_objectives,
  maxObjectives: registry.max_objectives,
  defaultBudget: registry.default_budget,
  notModelled: registry.not_modelled,
};

/** A metric of a newer server is shown with its bare name rather than not at all. */
export function metricOf(name: string, metrics: ReadonlyMap<string, MetricInfo> = REGISTRY.metrics): MetricInfo {
  return metrics.get(name) ?? { name, unit: "", sense: "min", title: name, definition: "" };
}

export function registryOf(front: FrontView | null): ReadonlyMap<string, MetricInfo> {
  return front === null ? REGISTRY.metrics : byName(front.head.metrics);
}
