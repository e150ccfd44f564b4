/**
 * Changes to the default design space as lines of text, and back.
 *
 *     prefill.token_parallelism = 8          one value
 *     decode.block_parallelism = 16, 32      these values
 *     decode.weight_parallelism = 64..256    a range; either end may be open
 *     extend decode.block_parallelism = 24   one more value to try
 *     forbid prefill.token_parallelism = 8, 16 and prefill.ffn_weight_blocks = 1
 *     modules decode.attention = variant     variants to choose from
 *     quant_schemes = w4a4kv8, w4a8kv8
 *     deployments = two_bitstreams
 */
import type { Exploration, NewExploration } from "./documents";

export type SpaceOverrides = NonNullable<Exploration["space"]>;
type Written = Record<string, unknown>;

const LISTS = ["quant_schemes", "deployments"] as const;
const DEFAULTS: Readonly<Record<(typeof LISTS)[number], string>> = { quant_schemes: "w4a4kv8", deployments: "two_bitstreams" };

/** Whether a search of this space left a value of a parameter out; rules on several parameters at once say nothing of one. */
export function leavesOut(space: SpaceOverrides | null, knob: string, value: number | string): boolean {
  if (space === null) return false;
  const fixed = space.fix?.[knob];
  if (fixed !== undefined && String(fixed) !== String(value)) return true;
  const kept = space.restrict?.[knob] as readonly number[] | { min?: number | null; max?: number | null } | undefined;
  if (Array.isArray(kept)) return !kept.map(String).includes(String(value));
  const { min = null, max = null } = (kept ?? {}) as { min?: number | null; max?: number | null };
  return (min !== null && Number(value) < min) || (max !== null && Number(value) > max);
}

/** A number as typed; what is none goes out as it is, so that the server's message can quote it. */
export function typedNumber(text: string): number | string {
  const trimmed = text.trim();
  const value = Number(trimmed);
  return trimmed === "" || Number.isNaN(value) ? trimmed : value;
}

function values(text: string): (number | string)[] {
  return text.split(",").map(typedNumber);
}

/** `NAME = VALUES`; a line without `=` has the empty value, which the server refuses with the name of the line. */
function parts(line: string): readonly [string, string] {
  const at = line.indexOf("=");
  return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

/** What the lines stand for; undefined where there is none. */
export function spaceOf(text: string): NewExploration["space"] | undefined {
  const fix: Written = {};
  const restrict: Written = {};
  const extend: Written = {};
  const modules: Written = {};
  const forbid: Written[] = [];
  const lists: Written = {};
  for (const line of text.split("\n").map((raw) => raw.trim()).filter((raw) => raw !== "")) {
    const [, word, rest] = /^(extend|forbid|modules)\s+(.*)$/.exec(line) ?? [null, "", line];
    const [name, value] = parts(rest!);
    if (word === "extend") extend[name] = values(value);
    else if (word === "modules") modules[name] = values(value);
    else if (word === "forbid") forbid.push(Object.fromEntries(rest!.split(/\s+and\s+/).map((one) => ruleOf(...parts(one)))));
    else if ((LISTS as readonly string[]).includes(name)) lists[name] = values(value);
    else if (/^\d*\s*\.\.\s*\d*$/.test(value)) restrict[name] = rangeOf(value);
    else if (value.includes(",")) restrict[name] = values(value);
    else fix[name] = typedNumber(value);
  }
  const space = Object.fromEntries(Object.entries({ fix, restrict, extend, modules, ...(forbid.length > 0 ? { forbid } : {}) }).filter(([, made]) => Object.keys(made).length > 0));
  const made = { ...space, ...lists };
  return Object.keys(made).length === 0 ? undefined : (made as unknown as NewExploration["space"]);
}

/** What is wrong with the lines whatever the server knows: a line that is cut off, or takes back what another says. */
export function spaceProblems(text: string): string[] {
  const first = new Map<string, number>();
  return text.split("\n").flatMap((raw, i): string[] => {
    const line = raw.trim();
    if (line === "") return [];
    const [, word, rest] = /^(extend|forbid|modules)\s+(.*)$/.exec(line) ?? [null, "", line];
    if (word === "forbid") return rest!.split(/\s+and(?:\s+|$)/).every((one) => parts(one).every((part) => part !== "")) ? [] : [`Line ${i + 1}: forbid needs NAME = VALUE, joined by “and”`];
    const [name, value] = parts(rest!);
    if (name === "" || value === "" || value.split(",").some((one) => one.trim() === "")) return [`Line ${i + 1} “${line}”: needs NAME = VALUE, as prefill.token_parallelism = 8, 16`];
    const key = `${word} ${name}`;
    const before = first.get(key);
    if (before !== undefined) return [`Line ${i + 1}: ${name} stands in line ${before} already; write its values in one line, separated by commas`];
    first.set(key, i + 1);
    if (word === "" && !(LISTS as readonly string[]).includes(name)) {
      if (!/^(prefill|decode)\.[a-z][a-z0-9_]*$/.test(name)) return [`Line ${i + 1}: ${name} is no parameter; they are called prefill.… and decode.…, as on the page of a design`];
      const wrong = /\.\./.test(value) ? [] : values(value).filter((one) => typeof one === "string");
      if (wrong.length > 0) return [`Line ${i + 1}: ${name} takes whole numbers, not “${wrong.join(", ")}”`];
    }
    return [];
  });
}

function ruleOf(name: string, value: string): [string, unknown] {
  const all = values(value);
  return [name, all.length === 1 ? all[0] : all];
}

function rangeOf(value: string): Written {
  const [low = "", high = ""] = value.split("..").map((end) => end.trim());
  return { ...(low === "" ? {} : { min: Number(low) }), ...(high === "" ? {} : { max: Number(high) }) };
}

/** The lines that stand for these changes. */
export function spaceText(space: SpaceOverrides | null): string {
  if (space === null) return "";
  const lines = [
    ...Object.entries(space.fix ?? {}).map(([knob, value]) => `${knob} = ${value}`),
    ...Object.entries(space.restrict ?? {}).map(([knob, kept]) => `${knob} = ${Array.isArray(kept) ? kept.join(", ") : rangeText(kept as { min?: number | null; max?: number | null })}`),
    ...Object.entries(space.extend ?? {}).map(([knob, more]) => `extend ${knob} = ${(more as readonly number[]).join(", ")}`),
    ...(space.forbid ?? []).map((rule) => `forbid ${Object.entries(rule).map(([knob, value]) => `${knob} = ${Array.isArray(value) ? value.join(", ") : String(value)}`).join(" and ")}`),
    ...Object.entries(space.modules ?? {}).map(([choice, variants]) => `modules ${choice} = ${(variants as readonly (string | number)[]).join(", ")}`),
  ];
  for (const name of LISTS) {
    const text = (space[name] ?? []).join(", ");
    if (text !== "" && text !== DEFAULTS[name]) lines.push(`${name} = ${text}`);
  }
  return lines.join("\n");
}

function rangeText({ min, max }: { min?: number | null; max?: number | null }): string {
  return `${min ?? ""}..${max ?? ""}`;
}
