/** Several fronts on one pair of axes: every design as a point, and the staircase of what is best in the two metrics. */
import { projectedFront, type Sense, staircase } from "../domain/pareto";
import { extent, makeScale, padded, type Scale, type ScaleKind } from "../domain/scale";

export interface FrontPoints {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
}

export interface FrontsFigure {
  readonly x: Scale;
  readonly y: Scale;
  readonly fronts: readonly { readonly points: readonly (readonly [number, number])[]; readonly line: string }[];
}

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** From this ratio of the largest to the smallest value on an axis is logarithmic. */
const LOG_FROM = 20;

function kindOf(values: readonly number[]): ScaleKind {
  const range = extent(values);
  return range !== null && range[0] > 0 && range[1] / range[0] > LOG_FROM ? "log" : "linear";
}

/** Null where no design has both values. */
export function frontsFigure(fronts: readonly FrontPoints[], senseX: Sense, senseY: Sense, plot: Plot): FrontsFigure | null {
  const known = fronts.map(({ x, y }) => Array.from(x, (value, i) => [value, y[i]!] as const).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)));
  const [allX, allY] = [known.flatMap((points) => points.map(([a]) => a)), known.flatMap((points) => points.map(([, b]) => b))];
  const [rangeX, rangeY] = [extent(allX), extent(allY)];
  if (rangeX === null || rangeY === null) return null;
  const [kindX, kindY] = [kindOf(allX), kindOf(allY)];
  const x = makeScale(kindX, padded(rangeX, kindX), [plot.left, plot.right]);
  const y = makeScale(kindY, padded(rangeY, kindY), [plot.bottom, plot.top]);
  return {
    x,
    y,
    fronts: known.map((points) => {
      const [xs, ys] = [points.map(([a]) => a), points.map(([, b]) => b)];
      const corners = staircase(xs, ys, projectedFront(xs, ys, senseX, senseY), senseX);
      const at = (a: number, b: number): readonly [number, number] => [x.toPixel(a), y.toPixel(b)];
      return {
        points: points.map(([a, b]) => at(a, b)),
        line: corners.map(([a, b], i) => `${i === 0 ? "M" : "L"}${at(a, b).map((value) => value.toFixed(1)).join(" ")}`).join(""),
      };
    }),
  };
}
