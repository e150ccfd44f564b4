import { describe, expect, test, vi } from "vitest";
import { nearestRow, pointGrid } from "./grid";
import { CloudLoop } from "./loop";
import { type CloudPainter, INFEASIBLE, rankOf, SELECTED } from "./painter";
import { cloudPoints, densityTones, fromUnit, inDrawingOrder, OUTSIDE, spreadOrder, toUnit } from "./points";
import { panned, WHOLE, zoomed } from "./window";

const UNIT = { kind: "linear", domain: [0, 1] } as const;

function noise(count: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  });
}

describe("the order of drawing", () => {
  test.each([0, 1, 2, 3, 7, 1000, 65_537])("of %i rows has each once", (count) => {
    const order = spreadOrder(count);
    expect(new Set(order).size).toBe(count);
    expect(order.every((row) => row < count)).toBe(true);
  });

  test("spreads its beginning over the table", () => {
    const first = Array.from(spreadOrder(100_000).subarray(0, 1000)).sort((a, b) => a - b);
    const gaps = first.slice(1).map((row, i) => row - first[i]!);
    expect(Math.max(...gaps)).toBeLessThan(400);
  });
});

describe("unit coordinates", () => {
  test("go there and back", () => {
    for (const span of [{ kind: "log", domain: [0.01, 1000] }, { kind: "linear", domain: [-5, 9] }] as const) {
      for (const value of [0.02, 1, 8]) expect(fromUnit(span)(toUnit(span)(value))).toBeCloseTo(value, 10);
    }
  });

  test("put what an axis cannot show out of sight, and leave rows out", () => {
    const points = cloudPoints(Float64Array.of(0, 10, 100, Number.NaN), Float64Array.of(0, 0.5, 1, 1), { kind: "log", domain: [1, 100] }, UNIT, Uint8Array.of(1, 1, 0, 1));
    const byRow = new Map(Array.from(points.rows, (row, i) => [row, [points.x[i], points.y[i]]]));
    expect(byRow.get(1)).toEqual([0.5, 0.5]);
    expect(byRow.get(0)).toEqual([OUTSIDE, OUTSIDE]);
    expect(byRow.get(3)).toEqual([OUTSIDE, OUTSIDE]);
    expect(byRow.has(2)).toBe(false);
    expect(inDrawingOrder(points, Uint8Array.of(4, 5, 6, 7))).toEqual(Uint8Array.from(points.rows, (row) => row + 4));
  });
});

test("the nearest point is the one that a search of all finds", () => {
  const [x, y] = [noise(3000, 1), noise(3000, 2)];
  const probes = noise(100, 4);
  const grid = pointGrid(cloudPoints(x, y, UNIT, UNIT));
  const [rx, ry] = [0.02, 0.01];
  noise(100, 3).forEach((at, i) => {
    const [px, py] = [at, probes[i]!];
    let best = -1;
    let least = 1;
    for (let row = 0; row < x.length; row += 1) {
      const distance = ((Math.fround(x[row]!) - px) / rx) ** 2 + ((Math.fround(y[row]!) - py) / ry) ** 2;
      if (distance <= least) [best, least] = [row, distance];
    }
    expect(nearestRow(grid, px, py, rx, ry)).toBe(best);
  });
});

test("a preferred point wins over a nearer one", () => {
  const grid = pointGrid(cloudPoints(Float64Array.of(0.5, 0.504), Float64Array.of(0.5, 0.5), UNIT, UNIT));
  expect(nearestRow(grid, 0.5, 0.5, 0.01, 0.01)).toBe(0);
  expect(nearestRow(grid, 0.5, 0.5, 0.01, 0.01, (row) => row === 1)).toBe(1);
});

test("density is 1 where most designs are and 0 where one is alone", () => {
  const x = Float64Array.of(0.1, 0.1001, 0.1002, 0.9, Number.NaN);
  const points = cloudPoints(x, Float64Array.of(0.1, 0.1, 0.1, 0.9, 0.5), UNIT, UNIT);
  expect(Array.from(densityTones(points, 5, 10))).toEqual([1, 1, 1, 0, Number.NaN]);
});

describe("the window", () => {
  test("keeps the point under the pointer when it zooms", () => {
    const window = zoomed(WHOLE, 0.5, 0.3, 0.8);
    expect((0.3 - window.x0) / (window.x1 - window.x0)).toBeCloseTo(0.3);
    expect((0.8 - window.y0) / (window.y1 - window.y0)).toBeCloseTo(0.8);
  });

  test("has limits in both directions, and something stays in view", () => {
    let window = WHOLE;
    for (let i = 0; i < 100; i += 1) window = zoomed(window, 0.5, 0.5, 0.5);
    expect(window.x1 - window.x0).toBeCloseTo(2e-4, 8);
    for (let i = 0; i < 100; i += 1) window = panned(window, 1000, -1000);
    expect(window.x0).toBeLessThan(1);
    expect(window.y1).toBeGreaterThan(0);
    for (let i = 0; i < 100; i += 1) window = zoomed(window, 2, 0.5, 0.5);
    expect(window.x1 - window.x0).toBeCloseTo(4);
  });
});

test("selected lies over feasible, feasible over infeasible", () => {
  const order = [INFEASIBLE, 0, INFEASIBLE | SELECTED, SELECTED];
  expect(order.map((flags) => rankOf(flags, true))).toEqual([0, 1, 2, 3]);
  expect(order.map((flags) => rankOf(flags, false))).toEqual([0, 1, 0, 1]);
});

describe("the loop", () => {
  /** A painter that needs `perPoint` milliseconds for each point, and a clock that goes on by frames. */
  function run(count: number, perPoint: number) {
    let now = 0;
    let idleAt = 0;
    let callback: (() => void) | null = null;
    const draws: { readonly from: number; readonly to: number; readonly clear: boolean; readonly at: number }[] = [];
    const painter = {
      draw: (_: unknown, from: number, to: number, clear: boolean) => {
        draws.push({ from, to, clear, at: now });
        idleAt = now + (to - from) * perPoint;
      },
      isIdle: () => now >= idleAt,
    } as unknown as CloudPainter;
    const drawn = vi.fn();
    const clock = {
      now: () => now,
      request: (next: () => void) => {
        callback = next;
        return 1;
      },
      cancel: () => (callback = null),
    };
    const loop = new CloudLoop(painter, WHOLE, clock, drawn);
    const frames = (many: number, each: () => void = () => undefined): void => {
      for (let i = 0; i < many; i += 1) {
        now += 16;
        each();
        const ready = callback;
        callback = null;
        ready?.();
      }
    };
    loop.setCount(count);
    return { loop, draws, frames, drawn, isQuiet: () => callback === null };
  }

  test("draws everything in parts that follow each other, then rests", () => {
    const { draws, frames, drawn, isQuiet } = run(300_000, 0.0005);
    frames(200);
    expect(draws[0]).toMatchObject({ from: 0, clear: true });
    draws.slice(1).forEach((draw, i) => expect(draw).toMatchObject({ from: draws[i]!.to, clear: false }));
    expect(draws.at(-1)!.to).toBe(300_000);
    expect(drawn).toHaveBeenLastCalledWith(300_000);
    expect(isQuiet()).toBe(true);
  });

  test("draws only a beginning while the view moves, smaller on a slow machine", () => {
    const { loop, draws, frames } = run(1_000_000, 0.004);
    frames(120, () => loop.move({ ...WHOLE }));
    expect(draws.every((draw) => draw.from === 0 && draw.clear)).toBe(true);
    expect(draws.at(-1)!.to).toBeLessThan(20_000);
    frames(3000);
    expect(draws.at(-1)!.to).toBe(1_000_000);
  });

  test("draws all at once on a fast machine", () => {
    const { loop, draws, frames } = run(1_000_000, 0);
    frames(40, () => loop.move({ ...WHOLE }));
    expect(draws.at(-1)).toMatchObject({ from: 0, to: 1_000_000 });
  });
});
