/** The form of a sweep as typed, and the sweep file that it stands for: the same document as `flexdse sweep run` takes. */
import { plainBound } from "./bounds";
import type { components } from "../client/schema";
import type { Method } from "./documents";
import { spaceOf, spaceProblems, typedNumber } from "./space";

export type NewSweep = components["schemas"]["SweepFile"];
type Day = NonNullable<NonNullable<NewSweep["window"]>["days"]>[number];

export const DAYS: readonly Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** Numbers stay text until they are sent: the server judges them, and its message stands beside the field. */
export interface SweepDraft {
  readonly name: string;
  readonly models: readonly string[];
  readonly devices: readonly string[];
  /** PROMPT OUTPUT tokens a line. */
  readonly workloads: string;
  readonly objectives: readonly string[];
  readonly methods: readonly Method[];
  readonly seeds: string;
  readonly constraints: string;
  /** Changes to the space, one a line; see space.ts. */
  readonly space: string;
  readonly evaluations: string;
  /** Seconds of one exploration; "" for any. */
  readonly caseSeconds: string;
  readonly concurrency: string;
  /** Whether explorations start at night only. */
  readonly hasWindow: boolean;
  readonly timeZone: string;
  readonly start: string;
  readonly end: string;
  readonly days: readonly Day[];
  /** Seconds of one night; "" for all of it. */
  readonly nightSeconds: string;
}

/** Fields of the form by the path that the server's problems name them with. */
export const SWEEP_FIELDS = [
  "name",
  "grid.models",
  "grid.devices",
  "grid.workloads",
  "grid.objectives",
  "grid.methods",
  "grid.seeds",
  "grid.constraints",
  "grid.space",
  "budget.evaluations",
  "budget.case_s",
  "budget.night_s",
  "concurrency",
  "window.time_zone",
  "window.start",
  "window.end",
  "window.days",
] as const;

export type SweepField = (typeof SWEEP_FIELDS)[number];

export function initialSweep(objectives: readonly string[], evaluations: number, timeZone: string): SweepDraft {
  return {
    name: "Night",
    models: ["llama-3.2-1b"],
    devices: ["u280"],
    workloads: "1024 1024",
    objectives,
    methods: ["exact"],
    seeds: "0",
    constraints: "",
    space: "",
    evaluations: String(evaluations),
    caseSeconds: "",
    concurrency: "1",
    hasWindow: true,
    timeZone,
    start: "22:00",
    end: "06:00",
    days: DAYS,
    nightSeconds: "",
  };
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

const WORKLOAD = /^(\d+)\s*(?:[,/+→ -]|->)\s*(\d+)$/;

export function sweepFile(draft: SweepDraft): NewSweep {
  const constraints = lines(draft.constraints).map(plainBound);
  const space = spaceOf(draft.space);
  const optional = (name: string, text: string): Record<string, unknown> => (text.trim() === "" ? {} : { [name]: typedNumber(text) });
  const isSampled = draft.methods.some((method) => method !== "exact");
  return {
    schema: "flexdse/sweep/v1",
    name: draft.name.trim(),
    grid: {
      models: draft.models,
      devices: draft.devices,
      workloads: lines(draft.workloads).map((line) => {
        const found = WORKLOAD.exec(line);
        return { prompt_tokens: typedNumber(found?.[1] ?? line), output_tokens: typedNumber(found?.[2] ?? "") };
      }),
      objectives: [draft.objectives],
      methods: draft.methods,
      seeds: draft.seeds.split(",").map(typedNumber),
      ...(constraints.length === 0 ? {} : { constraints }),
      ...(space === undefined ? {} : { space }),
    },
    ...(draft.hasWindow ? { window: { time_zone: draft.timeZone.trim(), start: draft.start, end: draft.end, days: draft.days } } : {}),
    concurrency: typedNumber(draft.concurrency),
    budget: {
      // Hidden with `exact` alone: what is left in it must not be able to fail.
      ...(isSampled ? { evaluations: typedNumber(draft.evaluations) } : {}),
      ...optional("case_s", draft.caseSeconds),
      ...(draft.hasWindow ? optional("night_s", draft.nightSeconds) : {}),
    },
  } as unknown as NewSweep;
}

/** What the page itself can say, in the words of the form; the rest is for the server to judge. */
export function sweepProblems(draft: SweepDraft): Partial<Record<SweepField, readonly string[]>> {
  const problems: Partial<Record<SweepField, readonly string[]>> = {};
  const put = (field: SweepField, ...found: readonly string[]): void => {
    if (found.length > 0) problems[field] = found;
  };
  const whole = (field: SweepField, texts: readonly string[]): void => {
    const wrong = texts.map((text) => text.trim()).find((text) => text === "" || !Number.isInteger(Number(text)));
    if (wrong !== undefined) put(field, wrong === "" ? "A whole number is needed" : `“${wrong}” is no whole number`);
  };
  if (draft.models.length === 0) put("grid.models", "Choose one at least");
  if (draft.devices.length === 0) put("grid.devices", "Choose one at least");
  if (draft.objectives.length === 0) put("grid.objectives", "Choose one at least");
  if (draft.methods.length === 0) put("grid.methods", "Choose one at least");
  if (draft.hasWindow && draft.days.length === 0) put("window.days", "Choose one at least");
  const loads = lines(draft.workloads);
  if (loads.length === 0) put("grid.workloads", "One line at least: prompt and output tokens, as 1024 1024");
  put("grid.workloads", ...loads.flatMap((line, i) => (WORKLOAD.test(line) ? [] : [`Line ${i + 1} “${line}”: needs two whole numbers, prompt and output tokens, as 1024 1024`])));
  whole("grid.seeds", draft.seeds.split(","));
  whole("concurrency", [draft.concurrency]);
  if (draft.methods.some((method) => method !== "exact")) whole("budget.evaluations", [draft.evaluations]);
  for (const [field, text] of [["budget.case_s", draft.caseSeconds], ["budget.night_s", draft.hasWindow ? draft.nightSeconds : ""]] as const) {
    if (text.trim() !== "" && !(Number(text) > 0)) put(field, `“${text.trim()}” is no number of seconds`);
  }
  put("grid.space", ...spaceProblems(draft.space));
  return problems;
}
