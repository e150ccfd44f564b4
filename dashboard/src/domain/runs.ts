/** The tool runs on a generated project, and what their reports say in one line. */
import { simulatedStages } from "./runReports";
import { formatCount, formatQuantity } from "./units";

export const STEPS = [
  { step: "csim", title: "C simulation", meaning: "compiles the C++ and compares every value with the integer reference" },
  { step: "simulate", title: "Timed simulation", meaning: "counts the cycles of every module" },
  { step: "synthesize", title: "Synthesis", meaning: "high-level synthesis with Vitis where it is installed, else the open tools" },
] as const;

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** The most telling fields of a report that are there; its own summary where it has one. */
export function runSummary(report: Readonly<Record<string, unknown>>): string {
  const own = text(report["summary"]);
  if (own !== null) return own;
  const parts: string[] = [];
  const values = number(report["values_compared"]) ?? number(report["compared_values"]) ?? number(report["values"]);
  if (values !== null) parts.push(`bit-exact, ${formatCount(values)} values`);
  for (const stage of simulatedStages(report)) if (stage.cycles !== null) parts.push(`${stage.stage} ${formatCount(stage.cycles)} cycles`);
  const seconds = number(report["seconds"]) ?? number(report["wall_s"]);
  if (seconds !== null) parts.push(`took ${formatQuantity(seconds, "s")}`);
  return parts.join(", ");
}
