/** Finds the point of a cloud under the pointer without looking at all of them: points sorted into a square grid. */
import type { CloudPoints } from "./points";

const CELLS = 256;

export interface PointGrid {
  readonly points: CloudPoints;
  /** `order[starts[cell] .. starts[cell + 1]]` are the places of the points in a cell. */
  readonly starts: Uint32Array;
  readonly order: Uint32Array;
}

function cellAlong(unit: number): number {
  return Math.min(CELLS - 1, Math.max(0, Math.floor(unit * CELLS)));
}

export function pointGrid(points: CloudPoints): PointGrid {
  const starts = new Uint32Array(CELLS * CELLS + 1);
  const cells = new Int32Array(points.count);
  for (let i = 0; i < points.count; i += 1) {
    const isInside = points.x[i]! >= 0 && points.x[i]! <= 1 && points.y[i]! >= 0 && points.y[i]! <= 1;
    const cell = isInside ? cellAlong(points.y[i]!) * CELLS + cellAlong(points.x[i]!) : -1;
    cells[i] = cell;
    if (cell >= 0) starts[cell + 1] = starts[cell + 1]! + 1;
  }
  for (let cell = 0; cell < CELLS * CELLS; cell += 1) starts[cell + 1] = starts[cell + 1]! + starts[cell]!;
  const next = starts.slice();
  const order = new Uint32Array(starts[CELLS * CELLS]!);
  for (let i = 0; i < points.count; i += 1) {
    const cell = cells[i]!;
    if (cell >= 0) {
      order[next[cell]!] = i;
      next[cell] = next[cell]! + 1;
    }
  }
  return { points, starts, order };
}

/**
 * Row of the point nearest to (`x`, `y`) in unit coordinates, -1 where none is within the ellipse of radii `rx`, `ry`.
 *
 * Nearness is measured in radii, which stand for the same number of pixels. `isPreferred` rows win over all others.
 */
export function nearestRow(grid: PointGrid, x: number, y: number, rx: number, ry: number, isPreferred: (row: number) => boolean = () => false): number {
  const { points, starts, order } = grid;
  let found = -1;
  let nearest = 1;
  let preferred = false;
  for (let cy = cellAlong(y - ry); cy <= cellAlong(y + ry); cy += 1) {
    for (let cx = cellAlong(x - rx); cx <= cellAlong(x + rx); cx += 1) {
      const cell = cy * CELLS + cx;
      for (let k = starts[cell]!; k < starts[cell + 1]!; k += 1) {
        const i = order[k]!;
        const dx = (points.x[i]! - x) / rx;
        const dy = (points.y[i]! - y) / ry;
        const distance = dx * dx + dy * dy;
        if (distance > 1) continue;
        const row = points.rows[i]!;
        const better = isPreferred(row);
        if (better === preferred ? distance <= nearest : better) {
          [found, nearest, preferred] = [row, distance, better];
        }
      }
    }
  }
  return found;
}
