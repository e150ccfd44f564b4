/** What is behind the front, ready for the scatter: places, colours and marks of every priced design. */
import { useMemo } from "preact/hooks";
import type { Columns } from "../../domain/columns";
import type { Table } from "../../domain/table";
import { cloudPoints, densityTones } from "../../plots/cloud/points";
import { INFEASIBLE, NO_TONE, SELECTED } from "../../plots/cloud/painter";
import type { CloudLayer } from "../../plots/cloud/useCloud";
import { type ColourScale, colourScaleOf, toneOf } from "../../plots/scatter";
import { type Axes, DENSITY } from "../../state/axes";

export interface CloudView {
  readonly layer: CloudLayer;
  /** Of the colour metric over the front and the feasible cloud. */
  readonly colourScale: ColourScale | null;
  /** Lowest and highest of each axis. */
  readonly xAlso: readonly number[];
  readonly yAlso: readonly number[];
  readonly shown: number;
}

export function useCloudView(table: Table | null, axes: Axes | null, front: Columns, mask: Uint8Array | null, feasibleOnly: boolean): CloudView | null {
  const x = axes === null ? null : (table?.numbers(axes.x) ?? null);
  const y = axes === null ? null : (table?.numbers(axes.y) ?? null);
  const feasible = table?.numbers("feasible") as Uint8Array | null;
  const keep = feasibleOnly ? feasible : null;

  const also = useMemo(() => {
    if (x === null || y === null || axes === null) return null;
    // Axes span what can be built: the infeasible reach far beyond it, and would squeeze the front into a corner.
    return { x: spanOf(x, axes.xKind, feasible), y: spanOf(y, axes.yKind, feasible) };
  }, [x, y, axes?.xKind, axes?.yKind, feasible]);

  const colour = useMemo(() => {
    if (table === null || axes === null || x === null || y === null || also === null) return null;
    return axes.colour === DENSITY ? densityColour(table, axes, also, keep) : metricColour(table, axes.colour, front, feasible);
  }, [table, x, y, axes?.colour, axes?.xKind, axes?.yKind, front, keep]);

  const flags = useMemo(() => {
    const rows = table?.rows ?? 0;
    const made = new Uint8Array(rows);
    for (let i = 0; i < rows; i += 1) made[i] = (feasible !== null && feasible[i] === 0 ? INFEASIBLE : 0) | (mask !== null && mask[i] === 1 ? SELECTED : 0);
    return made;
  }, [table, feasible, mask]);

  return useMemo(() => {
    if (x === null || y === null || colour === null || also === null) return null;
    return {
      layer: {
        x,
        y,
        tones: colour.tones,
        flags,
        hasSelection: mask !== null,
        keep,
        isFeasible: feasible === null ? null : (row: number) => feasible[row] === 1,
      },
      colourScale: colour.scale,
      xAlso: also.x,
      yAlso: also.y,
      shown: keep === null ? x.length : keep.reduce((sum, kept) => sum + kept, 0),
    };
  }, [x, y, colour, also, flags, mask !== null, keep, feasible]);
}

/** Lowest and highest value of the rows that are kept. */
function spanOf(values: ArrayLike<number>, kind: Axes["xKind"], keep: Uint8Array | null): readonly number[] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if ((keep !== null && keep[i] === 0) || !Number.isFinite(value) || (kind === "log" && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [];
}

interface Colour {
  readonly tones: Uint8Array;
  readonly scale: ColourScale | null;
}

function metricColour(table: Table, name: string, front: Columns, feasible: Uint8Array | null): Colour {
  const tones = new Uint8Array(table.rows).fill(NO_TONE);
  const values = table.numbers(name);
  const ofFront = front.get(name);
  if (values === null) return { tones, scale: ofFront === undefined ? null : colourScaleOf(ofFront) };
  const scale = colourScaleOf(concat(ofFront ?? [], values, feasible));
  if (scale === null) return { tones, scale };
  for (let i = 0; i < tones.length; i += 1) {
    const tone = toneOf(scale, values[i]!);
    if (!Number.isNaN(tone)) tones[i] = Math.round(Math.min(1, Math.max(0, tone)) * (NO_TONE - 1));
  }
  return { tones, scale };
}

/** Infeasible designs are grey: their values need no place on the colour scale. */
function* concat(front: Iterable<number>, values: ArrayLike<number>, feasible: Uint8Array | null): Generator<number> {
  yield* front;
  for (let i = 0; i < values.length; i += 1) if (feasible === null || feasible[i] === 1) yield values[i]!;
}

function densityColour(table: Table, axes: Axes, also: { readonly x: readonly number[]; readonly y: readonly number[] }, keep: Uint8Array | null): Colour {
  const domain = (values: readonly number[]): readonly [number, number] => [values[0] ?? 0, values[1] ?? 1];
  const points = cloudPoints(
    table.numbers(axes.x)!,
    table.numbers(axes.y)!,
    { kind: axes.xKind, domain: domain(also.x) },
    { kind: axes.yKind, domain: domain(also.y) },
    keep,
  );
  const density = densityTones(points, table.rows);
  return { tones: Uint8Array.from(density, (tone) => (Number.isNaN(tone) ? NO_TONE : Math.round(tone * (NO_TONE - 1)))), scale: null };
}
