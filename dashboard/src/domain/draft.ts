/** The form as typed, and the request that it stands for. */
import type { ExplorationSummary, Method, NewExploration } from "./documents";

/** Numbers stay text until they are sent: the server judges them, and its message stands beside the field. */
export interface Draft {
  readonly name: string;
  readonly model: string;
  readonly device: string;
  readonly promptTokens: string;
  readonly outputTokens: string;
  readonly objectives: readonly string[];
  readonly method: Method;
  readonly budget: string;
  readonly seed: string;
  /** Lines of a parameter and the values to keep. */
  readonly space: string;
}

/** Fields of the form by the path that the server's problems name them with. */
export const FIELDS = [
  "name",
  "model",
  "device",
  "workload.prompt_tokens",
  "workload.output_tokens",
  "objectives",
  "method",
  "budget",
  "seed",
  "space",
] as const;

export type FieldName = (typeof FIELDS)[number];

export function initialDraft(objectives: readonly string[], budget: number): Draft {
  return {
    name: "",
    model: "llama-3.2-1b",
    device: "u280",
    promptTokens: "1024",
    outputTokens: "1024",
    objectives,
    method: "exact",
    budget: String(budget),
    seed: "0",
    space: "",
  };
}

/** A number as typed; what is none goes out as it is, so that the server's message can quote it. */
function typedNumber(text: string): number {
  const trimmed = text.trim();
  const value = Number(trimmed);
  return (trimmed === "" || Number.isNaN(value) ? trimmed : value) as number;
}

/** true, 8 or a word. */
function typedValue(text: string): boolean | number | string {
  if (text === "true" || text === "false") return text === "true";
  return typedNumber(text);
}

/** `knob = 8` fixes a knob, `knob = 8, 16` keeps these values; a line without a value goes out as it is and is refused. */
function spaceOf(text: string): { readonly space?: Record<string, Record<string, unknown>> } {
  const fix: Record<string, unknown> = {};
  const restrict: Record<string, unknown> = {};
  for (const line of text.split("\n")) {
    const [name = "", ...rest] = line.split("=");
    if (line.trim() === "") continue;
    const values = rest.join("=").split(",").map((value) => typedValue(value.trim()));
    if (values.length === 1) fix[name.trim()] = values[0];
    else restrict[name.trim()] = values;
  }
  const space = { ...(Object.keys(fix).length > 0 ? { fix } : {}), ...(Object.keys(restrict).length > 0 ? { restrict } : {}) };
  return Object.keys(space).length === 0 ? {} : { space };
}

export function toRequest(draft: Draft): NewExploration {
  return {
    name: draft.name.trim(),
    model: draft.model,
    device: draft.device,
    workload: { prompt_tokens: typedNumber(draft.promptTokens), output_tokens: typedNumber(draft.outputTokens) },
    objectives: [...draft.objectives],
    method: draft.method,
    // Hidden with `exact`: what is left in it must not be able to fail.
    ...(draft.method === "exact" ? {} : { budget: typedNumber(draft.budget) }),
    seed: typedNumber(draft.seed),
    ...spaceOf(draft.space),
  } as unknown as NewExploration;
}

/** The form for another exploration like this one. */
export function draftOf(exploration: ExplorationSummary): Draft {
  return {
    name: "",
    model: exploration.model,
    device: exploration.device,
    promptTokens: String(exploration.workload.prompt_tokens),
    outputTokens: String(exploration.workload.output_tokens),
    objectives: exploration.objectives,
    method: exploration.method,
    budget: String(exploration.budget),
    seed: String(exploration.seed),
    space: "",
  };
}
