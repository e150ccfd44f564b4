import { expect, test } from "vitest";
import type { BlockGraph } from "../domain/blocks";
import type { Bitstream } from "../domain/documents";
import type { Knob } from "../domain/explanation";
import type { StageRoof } from "../domain/roofline";
import { blockFigure } from "./blocks";
import { chipsOf, floorplanFigure } from "./floorplan";
import { roofAt, rooflineFigure } from "./roofline";
import { tornadoFigure } from "./tornado";

function knob(name: string, ...changes: number[]): Knob {
  return { knob: name, value: 8, steps: changes.map((change, i) => ({ to: i === 0 ? 4 : 16, feasible: i === 0, floorplan: null, metrics: {}, change: { ttft_s: change } })) };
}

test("tornado: strongest first, bars start at zero, widths are in proportion", () => {
  const { rows, zero, without } = tornadoFigure([knob("b", 0.1, -0.05), knob("none", 0, 0), knob("a", 0.4, -0.2)], "ttft_s", "min", 100, 700);
  expect(rows.map((row) => row.knob)).toEqual(["a", "b"]);
  expect(without).toEqual(["none"]);
  const [worse, better] = rows[0]!.bars;
  expect(worse!.x).toBeCloseTo(zero, 9);
  expect(better!.x + better!.width).toBeCloseTo(zero, 9);
  expect(worse!.width / better!.width).toBeCloseTo(2, 9);
  expect([better!.x, worse!.x + worse!.width]).toEqual([100, 700]);
  expect([worse!.better, better!.better]).toEqual([false, true]);
  expect(tornadoFigure([knob("a", 0.4)], "ttft_s", "max", 0, 100).rows[0]!.bars[0]!.better).toBe(true);
});

test("tornado: each variant of a module has a row", () => {
  const { rows } = tornadoFigure([knob("modules", 0.1, -0.05, 0, 0.2), knob("a", 0.4, -0.2)], "ttft_s", "min", 100, 700);
  expect(rows.map((row) => [row.knob, row.bars.length])).toEqual([["a", 2], ["modules", 1], ["modules", 1], ["modules", 1]]);
  expect(new Set(rows.map((row) => row.y)).size).toBe(4);
});

test("tornado: a metric without a change anywhere has no rows and no ticks", () => {
  const figure = tornadoFigure([knob("a", 0)], "ttft_s", "min", 0, 100);
  expect([figure.rows.length, figure.ticks.length]).toEqual([0, 0]);
});

const decode: StageRoof = { stage: "decode", peakMacsPerS: 300e9, bytesPerS: 400e9, macsPerS: 180e9, macsPerByte: 1.8 };
const prefill: StageRoof = { stage: "prefill", peakMacsPerS: 800e9, bytesPerS: 200e9, macsPerS: 100e9, macsPerByte: 2 };

test("roofline: marks lie at or below their roof, and the lower roof is the limit", () => {
  const figure = rooflineFigure([prefill, decode], { left: 50, right: 450, top: 10, bottom: 260 })!;
  expect(figure.marks.map((mark) => mark.limit)).toEqual(["memory", "arrays"]);
  expect(figure.marks.map((mark) => mark.reached)).toEqual([100e9 / 400e9, 180e9 / 300e9]);
  for (const mark of figure.marks) {
    expect(mark.at[1]).toBeGreaterThanOrEqual(mark.roofY);
    for (const [low, value, high] of [[50, mark.at[0], 450], [50, mark.ridge[0], 450], [10, mark.at[1], 260], [10, mark.ridge[1], 260]] as const) {
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThanOrEqual(high);
    }
  }
  expect(roofAt(prefill, 1e6)).toBe(800e9);
  expect(rooflineFigure([], { left: 0, right: 1, top: 0, bottom: 1 })).toBeNull();
});

const use = { lut: 1, ff: 1, dsp: 1, bram_18k: 1, uram: 1 };
const region = (slr: string, modules: string[]): Bitstream["regions"][number] => ({
  slr,
  modules,
  used: use,
  lut_fraction: 0.5,
  ff_fraction: 0.2,
  dsp_fraction: 0.3,
  bram_18k_fraction: 0.4,
  uram_fraction: 0.1,
  clb_fraction: 0.8,
});
const bitstream: Bitstream = {
  stages: ["prefill"],
  status: "placed",
  proven_optimal: true,
  placements: [],
  regions: [region("SLR0", ["prefill.q_proj", "prefill.norm_and_quant_0", "prefill.norm_and_quant_1"]), region("SLR1", ["prefill.down_proj_0"]), region("SLR2", [])],
  boundaries: [
    { boundary: "SLR0-SLR1", stream_bits: 1536, shell_bits: 6243, available_bits: 23040, fraction: 0.34 },
    { boundary: "SLR1-SLR2", stream_bits: 608, shell_bits: 4267, available_bits: null, fraction: null },
  ],
  crossing_bits: 2144,
  shortfalls: [],
};

test("floorplan: SLR0 at the bottom, nothing overlaps, boundaries between their regions", () => {
  const { regions, boundaries, height } = floorplanFigure(bitstream, 500);
  const [slr0, slr1, slr2] = regions;
  expect(slr0!.y + slr0!.height).toBe(height);
  expect(slr2!.y).toBe(0);
  expect(slr1!.y + slr1!.height).toBeLessThan(slr0!.y);
  expect(boundaries.map((boundary) => boundary.y > regions[0]!.y)).toEqual([false, false]);
  expect(boundaries[0]!.y).toBeGreaterThan(slr1!.y + slr1!.height);
  expect(boundaries[1]!.y).toBeLessThan(slr1!.y);
  for (const place of regions) {
    for (const meter of place.meters) expect(meter.y + 10).toBeLessThanOrEqual(place.y + place.height);
    for (const chip of place.chips) expect(chip.y + 17).toBeLessThanOrEqual(place.y + place.height);
  }
  expect(slr0!.meters.map((meter) => [meter.title, meter.share])).toEqual([["DSP", 0.3], ["LUT", 0.5], ["FF", 0.2], ["BRAM", 0.4], ["URAM", 0.1], ["CLB", 0.8]]);
});

test("floorplan: a page that has no width yet gets no negative sizes", () => {
  for (const region of floorplanFigure(bitstream, 0).regions) for (const chip of region.chips) expect(chip.width).toBeGreaterThanOrEqual(0);
});

test("floorplan: parts of one module are one chip with their number", () => {
  expect(chipsOf(["prefill.q_proj", "prefill.norm_and_quant_0", "prefill.norm_and_quant_1"], false)).toEqual([
    { title: "q proj", count: 1 },
    { title: "norm and quant", count: 2 },
  ]);
  expect(chipsOf(["decode.sampler"], true)).toEqual([{ title: "decode: sampler", count: 1 }]);
});

test("block diagram: arrows go from the right side of a box to the left side of the next", () => {
  const block = { title: "", bound: "compute", share: 0.5, dsp: 1, sharedWith: null, memory: null, rows: 1 } as const;
  const graph: BlockGraph = {
    stage: "prefill",
    columns: 3,
    rows: 3,
    streams: [["a", "b"], ["a", "c"]],
    blocks: [{ ...block, module: "a", column: 0, row: 0, rows: 3 }, { ...block, module: "b", column: 1, row: 0 }, { ...block, module: "c", column: 1, row: 2 }],
  };
  const { boxes, arrows, height } = blockFigure(graph, 600);
  const byName = Object.fromEntries(boxes.map((box) => [box.module, box]));
  expect(byName["a"]!.height).toBe(height);
  for (const arrow of arrows) {
    expect(arrow.end).toEqual([byName[arrow.to]!.x, byName[arrow.to]!.y + byName[arrow.to]!.height / 2]);
    expect(arrow.path.startsWith(`M${byName["a"]!.x + byName["a"]!.width} `)).toBe(true);
  }
  expect(Math.max(...boxes.map((box) => box.x + box.width))).toBeLessThanOrEqual(600);
});
