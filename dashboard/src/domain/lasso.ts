/** A polygon drawn around points. Its edges are straight on the axes that it was drawn on, so those belong to it. */
import type { ScaleKind } from "./scale";

export interface Lasso {
  readonly x: string;
  readonly xKind: ScaleKind;
  readonly y: string;
  readonly yKind: ScaleKind;
  /** Corners in data units, at least three; the last is joined to the first. */
  readonly polygon: readonly (readonly [number, number])[];
}

interface Bounds {
  readonly left: number;
  readonly right: number;
  readonly low: number;
  readonly high: number;
}

function polygonBounds(polygon: Lasso["polygon"]): Bounds {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of polygon) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  return { left, right, low, high };
}

/** Tells which points lie within: even-odd rule on the axes of the lasso; a point without a coordinate is outside. */
export function insideTest(lasso: Lasso): (x: number, y: number) => boolean {
  const { left, right, low, high } = polygonBounds(lasso.polygon);
  const alongX = lasso.xKind === "log" ? Math.log : (value: number) => value;
  const alongY = lasso.yKind === "log" ? Math.log : (value: number) => value;
  const n = lasso.polygon.length;
  const cornerX = Float64Array.from(lasso.polygon, ([x]) => alongX(x));
  const cornerY = Float64Array.from(lasso.polygon, ([, y]) => alongY(y));
  return (x, y) => {
    if (!(x >= left && x <= right && y >= low && y <= high)) return false;
    const atX = alongX(x);
    const atY = alongY(y);
    let inside = false;
    for (let i = 0, j = n - 1; i < n; j = i, i += 1) {
      const yi = cornerY[i]!;
      const yj = cornerY[j]!;
      if (yi > atY === yj > atY) continue;
      const xi = cornerX[i]!;
      if (atX < xi + ((atY - yi) / (yj - yi)) * (cornerX[j]! - xi)) inside = !inside;
    }
    return inside;
  };
}

/** Corners that a path needs: those closer than `tolerance` to the line between their neighbours go (Douglas-Peucker). */
export function simplified(path: readonly (readonly [number, number])[], tolerance: number): (readonly [number, number])[] {
  if (path.length < 4) return [...path];
  const [first, last] = [path[0]!, path[path.length - 1]!];
  let farthest = 0;
  let at = 0;
  for (let i = 1; i < path.length - 1; i += 1) {
    const distance = toSegment(path[i]!, first, last);
    if (distance > farthest) [farthest, at] = [distance, i];
  }
  if (farthest <= tolerance) return [first, last];
  return [...simplified(path.slice(0, at + 1), tolerance).slice(0, -1), ...simplified(path.slice(at), tolerance)];
}

function toSegment(p: readonly [number, number], a: readonly [number, number], b: readonly [number, number]): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length));
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}
