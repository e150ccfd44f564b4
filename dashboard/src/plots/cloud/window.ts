/** The part of the whole plane that is in view, in unit coordinates: 0 to 1 is what the axes span. */

export interface Window {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
}

export const WHOLE: Window = { x0: 0, x1: 1, y0: 0, y1: 1 };

/** Closer than this, coordinates of 32 bits would show their grid. */
const NARROWEST = 2e-4;
const WIDEST = 4;

export function isWhole(window: Window): boolean {
  return isSame(window, WHOLE);
}

export function isSame(one: Window, other: Window): boolean {
  return one.x0 === other.x0 && one.x1 === other.x1 && one.y0 === other.y0 && one.y1 === other.y1;
}

/** Around points whose places are given in unit coordinates, with as much room again on either side. */
export function around(xs: readonly number[], ys: readonly number[]): Window {
  const span = (places: readonly number[]): readonly [number, number] => {
    const [low, high] = [Math.min(...places), Math.max(...places)];
    const room = Math.max((high - low) * 0.5, NARROWEST * 50);
    return [low - room, high + room];
  };
  const [[x0, x1], [y0, y1]] = [span(xs), span(ys)];
  return { x0, x1, y0, y1 };
}

function between(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Scaled by `factor` (below 1: closer) around the point (`x`, `y`), which stays where it is. */
export function zoomed(window: Window, factor: number, x: number, y: number): Window {
  const width = window.x1 - window.x0;
  const height = window.y1 - window.y0;
  const limit = between(factor, NARROWEST / Math.min(width, height), Math.max(1, WIDEST / Math.max(width, height)));
  return {
    x0: x - (x - window.x0) * limit,
    x1: x + (window.x1 - x) * limit,
    y0: y - (y - window.y0) * limit,
    y1: y + (window.y1 - y) * limit,
  };
}

/** Moved by a share of its own size; something of `everything` always stays in view. */
export function panned(window: Window, shareX: number, shareY: number, everything: Window = WHOLE): Window {
  const width = window.x1 - window.x0;
  const height = window.y1 - window.y0;
  const x0 = between(window.x0 + shareX * width, everything.x0 - 0.9 * width, everything.x1 - 0.1 * width);
  const y0 = between(window.y0 + shareY * height, everything.y0 - 0.9 * height, everything.y1 - 0.1 * height);
  return { x0, x1: x0 + width, y0, y1: y0 + height };
}
