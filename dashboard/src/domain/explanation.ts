/** Why a design is as it is: the document of `designs:explain`, of which OpenAPI knows the outside only. */
import type { components } from "../client/schema";
import type { MetricValues } from "./metrics";
import { formatNumber } from "./units";

export type ExplanationDocument = components["schemas"]["Explanation"];

/** Of a parameter, or the name of a variant. */
export type KnobValue = number | string;

export interface KnobStep {
  readonly to: KnobValue;
  /** It fits the card, and its floorplan is not refused. */
  readonly feasible: boolean;
  /** Verdict of the exact assignment to SLRs; null where it was not asked. */
  readonly floorplan: string | null;
  readonly metrics: MetricValues;
  /** Relative change of each metric; null where it has none. */
  readonly change: MetricValues;
}

export interface Knob {
  readonly knob: string;
  readonly value: KnobValue;
  readonly steps: readonly KnobStep[];
}

export interface KnobChange {
  readonly knob: string;
  readonly from: string;
  readonly to: string;
}

export interface Candidate {
  readonly changes: readonly KnobChange[];
  readonly metrics: MetricValues;
  readonly design: unknown;
}

export interface Target {
  readonly target: string;
  readonly now: number | null;
  readonly met: boolean;
  readonly designs: readonly Candidate[];
  readonly bestPossible: number | null;
  readonly reason: string | null;
}

export interface Explanation {
  /** What limits the design, in sentences. */
  readonly binds: readonly string[];
  readonly metrics: readonly string[];
  readonly knobs: readonly Knob[];
  readonly target: Target | null;
}

type Json = Readonly<Record<string, unknown>>;

function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : value === null || value === undefined ? "" : String(value);
}

function knobValue(value: unknown): KnobValue {
  return number(value) ?? text(value);
}

function values(value: unknown): MetricValues {
  return Object.fromEntries(Object.entries(record(value)).map(([name, entry]) => [name, number(entry)]));
}

function changes(value: unknown): KnobChange[] {
  return list(value).map((entry) => {
    const change = record(entry);
    return { knob: text(change["knob"]), from: text(change["from"]), to: text(change["to"]) };
  });
}

export function readExplanation(document: ExplanationDocument): Explanation {
  const sensitivity = record(document.sensitivity);
  const target = document.target == null ? null : record(document.target);
  return {
    binds: list(record(document.binding)["binds"]).map(text),
    metrics: Object.keys(record(sensitivity["metrics"])),
    knobs: list(sensitivity["knobs"]).map((entry) => {
      const knob = record(entry);
      return {
        knob: text(knob["knob"]),
        value: knobValue(knob["value"]),
        steps: list(knob["steps"]).map((one) => {
          const step = record(one);
          return { to: knobValue(step["to"]), feasible: step["feasible"] === true, floorplan: text(step["floorplan"]) || null, metrics: values(step["metrics"]), change: values(step["change"]) };
        }),
      };
    }),
    target:
      target === null
        ? null
        : {
            target: text(target["target"]),
            now: number(target["now"]),
            met: target["met"] === true,
            designs: list(target["designs"]).map((entry) => {
              const candidate = record(entry);
              return { changes: changes(candidate["changes"]), metrics: values(candidate["metrics"]), design: candidate["design"] };
            }),
            bestPossible: number(target["best_possible"]),
            reason: text(target["reason"]) || null,
          },
  };
}

/** A value as it is shown: 1,024 or "two bitstreams". */
export function knobText(value: KnobValue): string {
  return typeof value === "number" ? formatNumber(value) : value.replaceAll("_", " ");
}

/** "prefill.token_parallelism" as "prefill: token parallelism", "decode.modules.kv_read" as "decode: kv read". */
export function knobTitle(knob: string): string {
  const { stage, name } = knobParts(knob);
  return stage === null ? name : `${stage}: ${name}`;
}

/** A parameter with its value: "prefill: clock = 300 MHz". */
export function knobWithValue(knob: string, value: KnobValue): string {
  const { unit } = knobParts(knob);
  return `${knobTitle(knob)} = ${knobText(value)}${unit === "" ? "" : ` ${unit}`}`;
}

const UNITS: Readonly<Record<string, string>> = { mhz: "MHz", bits: "bits", bytes: "bytes" };

function knobParts(knob: string): { readonly stage: string | null; readonly name: string; readonly unit: string } {
  const parts = knob.split(".").filter((part) => part !== "modules");
  const stage = parts.find((part) => part === "prefill" || part === "decode") ?? null;
  const words = parts.filter((part) => part !== stage).join(" ").split("_");
  const unit = UNITS[words.at(-1)!];
  return { stage, name: (unit === undefined ? words : words.slice(0, -1)).join(" "), unit: unit ?? "" };
}
