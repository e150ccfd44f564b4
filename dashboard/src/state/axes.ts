/** Which metrics are on the axes: what the address asks for, where it makes sense, else the objectives. */
import type { Columns } from "../domain/columns";
import { projectedFront, type Sense } from "../domain/pareto";
import { extent, type ScaleKind } from "../domain/scale";
import type { View } from "./route";

/** In place of a metric: how many designs of the cloud share the place of a point. */
export const DENSITY = "density";

export interface Axes {
  readonly x: string;
  readonly y: string;
  /** "" is no colour. */
  readonly colour: string;
  /** "" is one size for all. */
  readonly size: string;
  readonly xKind: ScaleKind;
  readonly yKind: ScaleKind;
}

/**
 * Logarithmic from a factor of 20 on: below it a linear axis reads better and hides nothing.
 *
 * With designs behind the front (`also`: their lowest and highest value) from a factor of 5 on, where the front takes so
 * little of a linear axis that it would be a dot in the corner.
 */
export function defaultKind(values: Float64Array | undefined, also: readonly [number, number] | null = null): ScaleKind {
  const front = values === undefined ? null : extent(values);
  if (front === null || front[0] <= 0) return "linear";
  const [low, high] = [Math.min(front[0], also?.[0] ?? Infinity), Math.max(front[1], also?.[1] ?? 0)];
  const isSmall = front[1] - front[0] < SMALL_SHARE * (high - low);
  return low > 0 && (high / low > 20 || (isSmall && high / low > 5)) ? "log" : "linear";
}

const SMALL_SHARE = 0.15;

/**
 * The two objectives that pull against each other most: the pair whose 2-D front has the most points.
 *
 * Two objectives that one design minimises together show a cloud with one best point, and no trade-off.
 */
export function opposingPair(
  columns: Columns,
  objectives: readonly string[],
  senseOf: (name: string) => Sense,
): readonly [string, string] | null {
  const known = objectives.filter((name) => columns.has(name));
  let best: readonly [string, string] | null = null;
  let most = 0;
  known.forEach((x, i) => {
    for (const y of known.slice(i + 1)) {
      const { length } = projectedFront(columns.get(x)!, columns.get(y)!, senseOf(x), senseOf(y));
      if (length > most) {
        most = length;
        best = [x, y];
      }
    }
  });
  return best;
}

/** `preferred` leads where the address names no axes; the objectives in their order fill the rest. */
export function chooseAxes(
  columns: Columns,
  objectives: readonly string[],
  view: View,
  preferred: readonly string[] = [],
  also: (name: string) => readonly [number, number] | null = () => null,
): Axes | null {
  const names = [...columns.keys()];
  if (names.length === 0) return null;
  const order = [...preferred, ...objectives];
  const pick = (wanted: string | null, fallbacks: readonly (string | undefined)[]): string =>
    [wanted, ...fallbacks].find((name): name is string => name != null && columns.has(name)) ?? names[0]!;
  const x = pick(view.x, order.filter((name) => name !== view.y));
  const y = pick(view.y, [...order, ...names].filter((name) => name !== x));
  const rest = objectives.find((name) => name !== x && name !== y && columns.has(name)) ?? "";
  const colour = view.colour === null ? rest : columns.has(view.colour) || view.colour === DENSITY ? view.colour : "";
  return {
    x,
    y,
    colour,
    size: view.size !== null && columns.has(view.size) ? view.size : "",
    xKind: view.xKind ?? defaultKind(columns.get(x), also(x)),
    yKind: view.yKind ?? defaultKind(columns.get(y), also(y)),
  };
}
