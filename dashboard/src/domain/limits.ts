/** What a broken limit says in numbers: the server names the unit in words, which take no SI prefix. */
import type { CostReport, EvaluatedRow, Violation } from "./documents";
import { formatNumber, formatQuantity } from "./units";

/** Physical units by the words of the server; what is not here is counted (ports, keys, lanes, LUT sites). */
const PHYSICAL: Readonly<Record<string, string>> = { bytes: "B", "bytes/s": "B/s", W: "W", MHz: "MHz" };

/** How the server writes what is shown as a percentage, with the words after it. */
const SHARES: Readonly<Record<string, string>> = { fraction: "", "of the largest SLR": " of the largest SLR" };

const KINDS: Readonly<Record<string, string>> = { lut: "LUT", ff: "FF", dsp: "DSP", clb: "CLB", bram_18k: "BRAM 18K", uram: "URAM" };

/** Short names that are written in capitals. */
const CAPITALS = new Set(["lut", "ff", "dsp", "clb", "bram", "uram", "hbm", "ddr", "slr", "kv", "ffn", "hmt", "axi"]);

/** "LUT utilization" of `lut_utilization`; a bound that somebody wrote stays as it is. */
export function ruleTitle(name: string): string {
  if (!/^[a-z0-9_]+$/.test(name)) return name;
  const text = name
    .replace("bram_18k", "bram 18K")
    .split("_")
    .flatMap((word) => word.split(" "))
    .map((word) => (CAPITALS.has(word) ? word.toUpperCase() : word))
    .join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An amount of `unit` as the server names units of limits. */
export function limitAmount(value: number, unit: string): string {
  if (unit in SHARES) return `${formatNumber(value * 100, 3)} %${SHARES[unit]!}`;
  if (unit in PHYSICAL) return formatQuantity(value, PHYSICAL[unit]!);
  return `${formatNumber(value, 6)} ${KINDS[unit] ?? unit}`;
}

export type Fit = CostReport["fit"];

/** The three-state verdict in words. */
export const FIT_TITLES: Readonly<Record<Fit, string>> = {
  fits: "fits",
  within_band: "fits as estimated; a limit lies within the error band",
  does_not_fit: "does not fit",
};

/** The same in a cell of a table. */
export const FIT_WORDS: Readonly<Record<Fit, string>> = { fits: "yes", within_band: "within the band", does_not_fit: "no" };

/** What stands above the limits of a report; null where they speak for themselves. */
export function verdictText(violations: readonly unknown[], openLimits: readonly unknown[]): string | null {
  if (violations.length > 0) return null;
  if (openLimits.length === 0) return "Every constraint is met, error bands included.";
  const lie = openLimits.length === 1 ? "one limit lies" : `${openLimits.length} limits lie`;
  return `It fits as estimated, but ${lie} within the error band of the estimate: only the tools can tell.`;
}

/** What a search made of a design, beside what its error bands say of it. */
export function searchVerdict({ feasible, violated, violations }: Pick<EvaluatedRow, "feasible" | "violated" | "violations">, fit: Fit): string {
  if (feasible) return `feasible: it ${FIT_TITLES[fit]}`;
  const rule = violated === null ? "a rule" : ruleTitle(violated);
  // A search takes estimates as they are; the verdict on one design knows how far they may be off.
  const isNear = fit !== "does_not_fit" && violations.some(({ constraint }) => constraint === violated);
  return isNear ? `infeasible as estimated: over the limit of ${rule} by less than the error band` : `infeasible: breaks ${rule}`;
}

/** "72.2 % needed, 55 % allowed"; "" where nothing is allowed at all: then the number says less than the message. */
export function limitText({ demand, bound, unit }: Pick<Violation, "demand" | "bound" | "unit">): string {
  if (bound === 0) return "";
  const [need, allowed] = [limitAmount(demand, unit), limitAmount(bound, unit)];
  // Just above: as many digits as it takes to see it.
  return need === allowed ? `${demand} needed, ${bound} allowed (${unit})` : `${need} needed, ${allowed} allowed`;
}
