/** Numbers as an architect reads them: SI prefixes, four significant digits, never a bare number without its unit. */

export interface Quantity {
  readonly text: string;
  readonly unit: string;
}

/** How a column or an axis shows a unit: value = number * factor, followed by `unit`. */
export interface UnitScale {
  readonly factor: number;
  readonly unit: string;
}

export type Kind = "time" | "si" | "fraction" | "count";

export const MISSING = "—";

const TIME_STEPS: readonly (readonly [number, string])[] = [
  [1, "s"],
  [1e-3, "ms"],
  [1e-6, "µs"],
  [1e-9, "ns"],
];

const SI_STEPS: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
];

/** Units that stay as they are where a prefix would only confuse (kilo-tokens, mega-cycles of a clock in MHz). */
const PLAIN_UNITS = new Set(["MHz", "bit", "cycles", "tokens"]);

function step(steps: readonly (readonly [number, string])[], magnitude: number): readonly [number, string] {
  // 0.99995 would round to 1.000 of the smaller unit: decide after rounding to four digits.
  const rounded = Number(magnitude.toPrecision(4));
  return steps.find(([size]) => rounded >= size) ?? steps[steps.length - 1]!;
}

/** The scale that suits the largest of `values` (all in `unit`), so that a column or an axis has one unit. */
export function unitScale(unit: string, values: Iterable<number>, kind: Kind = kindOfUnit(unit)): UnitScale {
  let largest = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (Number.isFinite(magnitude) && magnitude > largest) largest = magnitude;
  }
  if (kind === "fraction") return { factor: 100, unit: "%" };
  if (kind === "count" || PLAIN_UNITS.has(unit) || largest === 0) return { factor: 1, unit: unit === "1" ? "" : unit };
  if (kind === "time") {
    const [size, name] = step(TIME_STEPS, largest);
    return { factor: 1 / size, unit: name };
  }
  if (unit === "tokens/s" && largest < 1e5) return { factor: 1, unit };
  const [size, prefix] = step(SI_STEPS, largest);
  return { factor: 1 / size, unit: prefix + unit };
}

export function kindOfUnit(unit: string): Kind {
  if (unit === "s") return "time";
  return unit === "1" ? "count" : "si";
}

/** `value` with four significant digits, grouped thousands, no exponent between 1e-4 and 1e9. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9 || magnitude < 1e-4) return value.toExponential(Math.max(0, digits - 1));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));
  const rounded = Number(value.toPrecision(digits));
  return rounded.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(decimals, 12) });
}

/** Two ends of a range, with as many digits as it takes to tell them apart, `digits` at least. */
export function formatApart(low: number, high: number, digits = 4): readonly [string, string] {
  for (let most = digits; most < 13; most += 1) {
    const texts = [formatNumber(low, most), formatNumber(high, most)] as const;
    if (low === high || texts[0] !== texts[1]) return texts;
  }
  return [String(low), String(high)];
}

/** The same number of decimals for a whole column, so that the decimal points line up. */
export function formatFixed(value: number, decimals: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Decimals that give the smallest of the (scaled) values three significant digits, at most four decimals. */
export function columnDecimals(values: Iterable<number>): number {
  let smallest = Infinity;
  let integers = true;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (!Number.isFinite(magnitude)) continue;
    if (!Number.isInteger(value)) integers = false;
    if (magnitude > 0 && magnitude < smallest) smallest = magnitude;
  }
  if (integers || smallest === Infinity) return 0;
  return Math.min(4, Math.max(0, 2 - Math.floor(Math.log10(smallest))));
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A space of 10^13 designs: exact below a million, then a power of ten. */
export function formatLargeCount(value: number): string {
  if (value < 1e7) return formatCount(value);
  const exponent = Math.floor(Math.log10(value));
  const mantissa = Number((value / 10 ** exponent).toPrecision(3));
  return mantissa >= 10 ? `1 × 10${superscript(exponent + 1)}` : `${mantissa} × 10${superscript(exponent)}`;
}

export function superscript(exponent: number): string {
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  return [...String(exponent)].map((c) => (c === "-" ? "⁻" : digits[Number(c)])).join("");
}

export function quantity(value: number | null | undefined, unit: string, kind: Kind = kindOfUnit(unit)): Quantity {
  if (value === null || value === undefined || Number.isNaN(value)) return { text: MISSING, unit: "" };
  if (kind === "count") return { text: Number.isInteger(value) ? formatCount(value) : formatNumber(value), unit: unit === "1" ? "" : unit };
  const scale = unitScale(unit, [value], kind);
  return { text: formatNumber(value * scale.factor), unit: scale.unit };
}

export function formatQuantity(value: number | null | undefined, unit: string, kind: Kind = kindOfUnit(unit)): string {
  const { text, unit: name } = quantity(value, unit, kind);
  return name === "" ? text : name === "%" ? `${text} %` : `${text} ${name}`;
}

/** 3 s, 4 min 05 s, 2 h 13 min. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return MISSING;
  if (seconds < 1) return `${formatNumber(seconds * 1000, 3)} ms`;
  if (seconds < 60) return `${formatNumber(seconds, 3)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** "just now", "4 min ago", "3 h ago", then the date. */
export function formatAge(iso: string, now: number): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return iso.slice(0, 10);
}
