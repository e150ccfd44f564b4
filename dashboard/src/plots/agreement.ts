/** Predicted against measured, both logarithmic on one scale: the diagonal, bands around it, and a mark for each pair. */
import { makeScale, padded, type Scale, type Tick, ticksOf } from "../domain/scale";

export interface AgreementInput {
  readonly predicted: number;
  readonly measured: number;
}

export interface AgreementPlot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface AgreementFigure {
  readonly x: Scale;
  readonly y: Scale;
  readonly ticks: readonly Tick[];
  readonly diagonal: string;
  /** The widest band first; `share` 0.1 is model within 10 % of the measurement. */
  readonly bands: readonly { readonly share: number; readonly path: string }[];
  readonly points: readonly (readonly [number, number])[];
}

/** Of the bands around the diagonal. */
export const BAND_SHARES = [0.25, 0.1] as const;

/** `factor` takes a value to the unit that the ticks are labelled in. */
export function agreementFigure(pairs: readonly AgreementInput[], plot: AgreementPlot, factor = 1, ticks = 5): AgreementFigure | null {
  if (pairs.length === 0) return null;
  const values = pairs.flatMap((pair) => [pair.predicted, pair.measured]);
  // Room for the widest band beyond the outermost value, so that the diagonal is always seen within it.
  const domain = padded([Math.min(...values) / (1 + BAND_SHARES[0]), Math.max(...values) * (1 + BAND_SHARES[0])], "log");
  const x = makeScale("log", domain, [plot.left, plot.right]);
  const y = makeScale("log", domain, [plot.bottom, plot.top]);
  const at = (px: number, py: number): string => `${x.toPixel(px).toFixed(1)} ${y.toPixel(py).toFixed(1)}`;
  const [low, high] = domain;
  const bands = BAND_SHARES.map((share) => {
    // predicted = measured (1 + share) is the line to the right, with (1 - share) the one to the left.
    const [right, left] = [1 / (1 + share), 1 / (1 - share)];
    return { share, path: `M${at(low, low * left)}L${at(high, high * left)}L${at(high, high * right)}L${at(low, low * right)}Z` };
  });
  return {
    x,
    y,
    ticks: ticksOf(x, ticks, factor),
    diagonal: `M${at(low, low)}L${at(high, high)}`,
    bands,
    points: pairs.map((pair) => [x.toPixel(pair.predicted), y.toPixel(pair.measured)] as const),
  };
}

export interface ResidualRow {
  readonly y: number;
  readonly dots: readonly { readonly x: number; readonly y: number }[];
  readonly bias: number;
}

export interface ResidualFigure {
  readonly zero: number;
  readonly ticks: readonly { readonly x: number; readonly value: number }[];
  readonly rows: readonly ResidualRow[];
  readonly height: number;
}

export const RESIDUAL_ROW = 34;
const JITTER_ROWS = 3;
const LEAST_SPAN = 0.05;

/** A strip of dots for each group, on one axis that is symmetric around zero as far as residuals can reach. */
export function residualFigure(groups: readonly { readonly residuals: readonly number[]; readonly bias: number }[], left: number, right: number): ResidualFigure {
  const most = Math.max(LEAST_SPAN, ...groups.flatMap((group) => group.residuals.map(Math.abs))) * 1.08;
  // A ratio cannot fall below nothing: beyond −100 % there is no value to leave room for.
  const scale = makeScale("linear", [-Math.min(most, 1.02), most], [left, right]);
  return {
    zero: scale.toPixel(0),
    ticks: ticksOf(scale, 6).map((tick) => ({ x: scale.toPixel(tick.value), value: tick.value })),
    rows: groups.map((group, i) => {
      const middle = i * RESIDUAL_ROW + RESIDUAL_ROW / 2;
      return {
        y: middle,
        // Neighbours would cover each other: every next one lies a little lower.
        dots: group.residuals.map((value, k) => ({ x: scale.toPixel(value), y: middle + ((k % JITTER_ROWS) - 1) * 5 })),
        bias: scale.toPixel(group.bias),
      };
    }),
    height: groups.length * RESIDUAL_ROW + 36,
  };
}
