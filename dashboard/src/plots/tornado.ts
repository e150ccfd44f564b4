/** What one step of each knob does to a metric, as bars to both sides of the design as it is. */
import type { Knob, KnobValue } from "../domain/explanation";
import { niceStep } from "../domain/scale";

export interface TornadoBar {
  readonly to: KnobValue;
  readonly change: number;
  readonly x: number;
  readonly width: number;
  readonly feasible: boolean;
  readonly floorplan: string | null;
  readonly better: boolean;
}

export interface TornadoRow {
  readonly knob: string;
  readonly value: KnobValue;
  readonly y: number;
  readonly bars: readonly TornadoBar[];
}

export interface TornadoFigure {
  readonly rows: readonly TornadoRow[];
  readonly zero: number;
  readonly ticks: readonly { readonly change: number; readonly x: number }[];
  /** Knobs of which no step changes the metric. */
  readonly without: readonly string[];
  readonly height: number;
}

export const TORNADO_ROW = 26;
const BELOW = 34;

/** Strongest knob first; between `left` and `right` there is room for every bar, and for zero. */
export function tornadoFigure(knobs: readonly Knob[], metric: string, sense: "min" | "max", left: number, right: number): TornadoFigure {
  const changesOf = (knob: Knob): number[] => knob.steps.map((step) => step.change[metric] ?? 0);
  const strength = (knob: Knob): number => Math.max(0, ...changesOf(knob).map(Math.abs));
  const effective = knobs.filter((knob) => strength(knob) > 1e-12).sort((a, b) => strength(b) - strength(a));
  const all = effective.flatMap(changesOf);
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const span = high - low || 1;
  const toX = (change: number): number => left + ((change - low) / span) * (right - left);
  const zero = toX(0);
  // A parameter has a step down and one up, in one row; of a module each other variant has a row of its own.
  const parted = effective.flatMap((knob) => (knob.steps.length <= 2 ? [knob] : knob.steps.filter((step) => (step.change[metric] ?? 0) !== 0).map((step) => ({ ...knob, steps: [step] }))));
  const rows = parted.map((knob, i) => ({
    knob: knob.knob,
    value: knob.value,
    y: i * TORNADO_ROW,
    bars: knob.steps.flatMap((step): TornadoBar[] => {
      const change = step.change[metric];
      if (change == null || change === 0) return [];
      const x = toX(change);
      return [{ to: step.to, change, x: Math.min(x, zero), width: Math.abs(x - zero), feasible: step.feasible, floorplan: step.floorplan, better: sense === "min" ? change < 0 : change > 0 }];
    }),
  }));
  const step = niceStep(span, 5);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) ticks.push({ change: i * step, x: toX(i * step) });
  return {
    rows,
    zero,
    ticks: rows.length === 0 ? [] : ticks,
    without: knobs.filter((knob) => !effective.includes(knob)).map((knob) => knob.knob),
    height: rows.length * TORNADO_ROW + BELOW,
  };
}
