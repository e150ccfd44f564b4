/** The form as typed, and the request that it stands for. */
import { plainBound } from "./bounds";
import type { Exploration, Method, NewExploration } from "./documents";
import { spaceOf, spaceProblems, spaceText, typedNumber } from "./space";

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
  /** One bound of a metric a line. */
  readonly constraints: string;
  /** Changes to the space, one a line; see space.ts. */
  readonly space: string;
  /** Of another exploration, where it was not the default; the form has no field for these. */
  readonly kept: Readonly<Partial<Pick<NewExploration, "epsilon" | "floorplan">>>;
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
  "constraints",
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
    constraints: "",
    space: "",
    kept: {},
  };
}

export function toRequest(draft: Draft): NewExploration {
  const constraints = draft.constraints.split("\n").map(plainBound).filter((line) => line !== "");
  const space = spaceOf(draft.space);
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
    ...(constraints.length === 0 ? {} : { constraints }),
    ...(space === undefined ? {} : { space }),
    ...draft.kept,
  } as unknown as NewExploration;
}

const WHOLE_NUMBERS = { "workload.prompt_tokens": "promptTokens", "workload.output_tokens": "outputTokens", budget: "budget", seed: "seed" } as const;

/** What the page itself can say, in the words of the form; the rest is for the server to judge. */
export function draftProblems(draft: Draft): Partial<Record<FieldName, readonly string[]>> {
  const problems: Partial<Record<FieldName, readonly string[]>> = {};
  for (const [field, name] of Object.entries(WHOLE_NUMBERS) as [FieldName, "promptTokens" | "outputTokens" | "budget" | "seed"][]) {
    if (field === "budget" && draft.method === "exact") continue;
    const typed = draft[name].trim();
    if (typed === "") problems[field] = ["A whole number is needed"];
    else if (!Number.isInteger(Number(typed))) problems[field] = [`“${typed}” is no whole number`];
  }
  const space = spaceProblems(draft.space);
  if (space.length > 0) problems.space = space;
  return problems;
}

/** The form for another exploration like this one: all that it asked for but its name. */
export function draftOf(exploration: Exploration): Draft {
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
    constraints: exploration.constraints.join("\n"),
    space: spaceText(exploration.space),
    kept: { ...(exploration.epsilon === 0 ? {} : { epsilon: exploration.epsilon }), ...(exploration.floorplan ? {} : { floorplan: false }) },
  };
}
