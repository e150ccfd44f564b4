/** One bitstream on the dice of the card: SLRs from the bottom up, what stands in each, how full it is, what crosses. */
import type { Bitstream } from "../domain/documents";

type Region = Bitstream["regions"][number];

export interface FloorplanMeter {
  readonly key: string;
  readonly title: string;
  readonly share: number;
  readonly y: number;
}

export interface FloorplanChip {
  readonly title: string;
  readonly count: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export interface FloorplanRegion {
  readonly slr: string;
  readonly y: number;
  readonly height: number;
  readonly chips: readonly FloorplanChip[];
  readonly meters: readonly FloorplanMeter[];
}

export interface FloorplanBoundary {
  readonly boundary: string;
  readonly y: number;
  readonly bits: number;
  readonly shellBits: number;
  readonly availableBits: number | null;
  readonly share: number | null;
}

export interface FloorplanFigure {
  readonly regions: readonly FloorplanRegion[];
  readonly boundaries: readonly FloorplanBoundary[];
  readonly height: number;
  /** Between the modules at the left and the bars at the right. */
  readonly split: number;
}

const METER = 15;
const CHIP = 21;
export const CHIP_HEIGHT = 17;
const HEAD = 24;
const PAD = 8;
const CROSSING = 30;
const LETTER = 6.2; // px of 11 px text
const METERS: readonly (readonly [string, string, (region: Region) => number])[] = [
  ["dsp", "DSP", (region) => region.dsp_fraction],
  ["lut", "LUT", (region) => region.lut_fraction],
  ["ff", "FF", (region) => region.ff_fraction],
  ["bram_18k", "BRAM", (region) => region.bram_18k_fraction],
  ["uram", "URAM", (region) => region.uram_fraction],
  ["clb", "CLB", (region) => region.clb_fraction],
];

/** "prefill.gate_up_proj_3" is one of the parts of "gate up proj"; the stage is said only where two share a bitstream. */
export function moduleTitle(module: string, withStage: boolean): string {
  const [stage, name = module] = module.split(".");
  const plain = name.replace(/_\d+$/, "").replaceAll("_", " ");
  return withStage ? `${stage}: ${plain}` : plain;
}

/** Parts of one module as one chip with their number, in the order of the document. */
export function chipsOf(modules: readonly string[], withStage: boolean): { title: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const module of modules) {
    const title = moduleTitle(module, withStage);
    counts.set(title, (counts.get(title) ?? 0) + 1);
  }
  return [...counts].map(([title, count]) => ({ title, count }));
}

export function floorplanFigure(bitstream: Bitstream, width: number): FloorplanFigure {
  const split = Math.round(width * 0.52);
  const withStage = bitstream.stages.length > 1;
  const placed = bitstream.regions.map((region) => {
    const chips: FloorplanChip[] = [];
    let [x, y] = [PAD, HEAD];
    for (const { title, count } of chipsOf(region.modules, withStage)) {
      const label = count > 1 ? `${title} × ${count}` : title;
      const chipWidth = Math.max(0, Math.min(label.length * LETTER + 12, split - 2 * PAD)); // before its first measure a page has no width
      if (x > PAD && x + chipWidth > split - PAD) [x, y] = [PAD, y + CHIP];
      chips.push({ title, count, x, y, width: chipWidth });
      x += chipWidth + 5;
    }
    return { region, chips, height: Math.max(y + CHIP + PAD, METERS.length * METER + 2 * PAD) };
  });
  const total = placed.reduce((sum, entry) => sum + entry.height, 0) + Math.max(0, placed.length - 1) * CROSSING;
  const tops: number[] = [];
  let bottom = total;
  for (const { height } of placed) {
    tops.push(bottom - height);
    bottom -= height + CROSSING;
  }
  return {
    regions: placed.map(({ region, chips, height }, i) => {
      const top = tops[i]!;
      return {
        slr: region.slr,
        y: top,
        height,
        chips: chips.map((chip) => ({ ...chip, y: top + chip.y })),
        meters: METERS.map(([key, title, share], row) => ({ key, title, share: share(region), y: top + PAD + row * METER })),
      };
    }),
    boundaries: bitstream.boundaries.slice(0, Math.max(0, placed.length - 1)).map((boundary, i) => ({
      boundary: boundary.boundary,
      y: tops[i]! - CROSSING / 2,
      bits: boundary.stream_bits,
      shellBits: boundary.shell_bits,
      availableBits: boundary.available_bits,
      share: boundary.fraction,
    })),
    height: total,
    split,
  };
}
