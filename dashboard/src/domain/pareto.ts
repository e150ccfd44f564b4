/** The front of the two metrics in view: what a line through the best trade-offs connects. */

export type Sense = "min" | "max";

/**
 * Indices of the points that no other point beats in both x and y, ordered by x.
 *
 * The points of a front in four metrics are mostly dominated when only two of them are drawn.
 * O(n log n); points with a missing coordinate (NaN) are left out; of equal points the first stays.
 */
export function projectedFront(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  senseX: Sense = "min",
  senseY: Sense = "min",
): number[] {
  const signX = senseX === "min" ? 1 : -1;
  const signY = senseY === "min" ? 1 : -1;
  const order: number[] = [];
  for (let i = 0; i < x.length; i += 1) {
    if (!Number.isNaN(x[i]!) && !Number.isNaN(y[i]!)) order.push(i);
  }
  order.sort((a, b) => signX * (x[a]! - x[b]!) || signY * (y[a]! - y[b]!) || a - b);
  const front: number[] = [];
  let best = Infinity;
  for (const i of order) {
    const value = signY * y[i]!;
    if (value < best) {
      front.push(i);
      best = value;
    }
  }
  return signX === 1 ? front : front.reverse();
}

/** Corners of the staircase through the front (ordered by x): the region that is still open lies beyond it. */
export function staircase(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  front: readonly number[],
  senseX: Sense = "min",
): [number, number][] {
  const corners: [number, number][] = [];
  front.forEach((i, k) => {
    if (k > 0) {
      const before = front[k - 1]!;
      // Minimised x: the worse y holds until the next point is reached. Maximised x: the other way round.
      corners.push(senseX === "min" ? [x[i]!, y[before]!] : [x[before]!, y[i]!]);
    }
    corners.push([x[i]!, y[i]!]);
  });
  return corners;
}
