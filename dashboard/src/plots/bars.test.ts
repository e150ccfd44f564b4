import { expect, test } from "vitest";
import { channelFigure, sparklinePath, stackedSegments } from "./bars";

test("segments fill the bar and leave out what is zero", () => {
  const segments = stackedSegments([{ key: "a", value: 1 }, { key: "b", value: 0 }, { key: "c", value: 3 }], 400);
  expect(segments.map(({ key, x, width }) => [key, x, width])).toEqual([
    ["a", 0, 100],
    ["c", 100, 300],
  ]);
  expect(stackedSegments([], 400)).toEqual([]);
});

test("a channel keeps its place whether or not its neighbours are busy", () => {
  const plot = { left: 0, right: 320, top: 0, bottom: 100 };
  const one = channelFigure([{ channel: 7, bytes_per_s: 5e9, limit_bytes_per_s: 1e10 }], 32, plot);
  const two = channelFigure(
    [
      { channel: 0, bytes_per_s: 1e9, limit_bytes_per_s: 1e10 },
      { channel: 7, bytes_per_s: 5e9, limit_bytes_per_s: 1e10 },
    ],
    32,
    plot,
  );
  expect(one.bars[0]?.x).toBe(two.bars[1]?.x);
  expect(one.bars[0]?.fraction).toBe(0.5);
  expect(channelFigure([], 0, plot).highest).toBe(1);
});

test("a line needs two points and survives a constant series", () => {
  expect(sparklinePath([{ x: 1, y: 1 }], 80, 20)).toBeNull();
  expect(sparklinePath([{ x: 1, y: 1 }, { x: 2, y: 1 }], 80, 20)).toMatch(/^M0\.0 [\d.]+L80\.0 [\d.]+$/);
});
