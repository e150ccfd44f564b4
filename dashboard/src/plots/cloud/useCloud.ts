/** The cloud of a scatter as its columns are, and as it is drawn. */
import { useMemo } from "preact/hooks";
import type { Numbers } from "../../domain/table";
import type { ScatterSpans } from "../scatter";
import { type PointGrid, pointGrid } from "./grid";
import { type CloudPoints, cloudPoints, inDrawingOrder } from "./points";

/** Columns of a table, one entry a row. */
export interface CloudLayer {
  readonly x: Numbers;
  readonly y: Numbers;
  /** Place in the palette, or `NO_TONE`. */
  readonly tones: Uint8Array;
  /** `INFEASIBLE`, `SELECTED`. */
  readonly flags: Uint8Array;
  readonly hasSelection: boolean;
  /** 0 for rows to leave out; null keeps all. */
  readonly keep: Uint8Array | null;
  readonly isFeasible: ((row: number) => boolean) | null;
}

export interface DrawnCloud {
  readonly points: CloudPoints;
  readonly tones: Uint8Array;
  readonly flags: Uint8Array;
  /** Made when the first point is looked for. */
  grid(): PointGrid;
}

export function useCloud(cloud: CloudLayer | null, spans: ScatterSpans | null): DrawnCloud | null {
  const { x, y, keep } = cloud ?? { x: null, y: null, keep: null };
  const key = spans === null ? "" : [spans.x.kind, ...spans.x.domain, spans.y.kind, ...spans.y.domain].join();
  const points = useMemo(() => (x === null || y === null || spans === null ? null : cloudPoints(x, y, spans.x, spans.y, keep)), [x, y, keep, key]);
  const tones = useMemo(() => (cloud === null || points === null ? null : inDrawingOrder(points, cloud.tones)), [points, cloud?.tones]);
  const flags = useMemo(() => (cloud === null || points === null ? null : inDrawingOrder(points, cloud.flags)), [points, cloud?.flags]);
  const grid = useMemo(() => {
    let made: PointGrid | null = null;
    return () => (made ??= pointGrid(points!));
  }, [points]);
  return points === null || tones === null || flags === null ? null : { points, tones, flags, grid };
}
