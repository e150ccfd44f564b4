/** Bounds of metrics as people write them, "tpot_s <= 4 ms", in the plain numbers that the server reads. */
import type { MetricInfo } from "./metrics";
import { REGISTRY } from "./registry";

const BOUND = /^\s*(\w+)\s*([<>]=)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([^\d\s.].*?)\s*$/i;

const PREFIXES: Readonly<Record<string, number>> = { "": 1, n: 1e-9, u: 1e-6, µ: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** What takes a number of `written` to the metric's own unit; null where it is none of its units. */
function factorOf({ unit }: Pick<MetricInfo, "unit">, written: string): number | null {
  if (unit === "1") return written === "%" ? 0.01 : null;
  if (!written.endsWith(unit)) return null;
  return PREFIXES[written.slice(0, written.length - unit.length)] ?? null;
}

/** The bound without its unit; as it stands where it has none, or one that the server shall refuse. */
export function plainBound(text: string): string {
  const [, name = "", relation = "", number = "", written = ""] = BOUND.exec(text) ?? [];
  const metric = REGISTRY.metrics.get(name);
  const factor = metric === undefined ? null : factorOf(metric, written);
  return factor === null ? text.trim() : `${name} ${relation} ${Number((Number(number) * factor).toPrecision(12))}`;
}

/** The unit in which a bound of a metric without one is read. */
export function plainUnit({ unit }: Pick<MetricInfo, "unit">): string {
  return unit === "1" ? "plain number; a share as 0.7 or 70 %" : unit;
}
