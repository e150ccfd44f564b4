/** The block diagram as boxes and arrows. */
import type { Block, BlockGraph } from "../domain/blocks";

export interface Box extends Block {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  /** Where its head points. */
  readonly end: readonly [number, number];
}

export interface BlockFigure {
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
  readonly height: number;
}

const ROW = 78;
const GAP_X = 22;
const GAP_Y = 16;

export function blockFigure(graph: BlockGraph, width: number): BlockFigure {
  const pitch = (width + GAP_X) / graph.columns;
  const boxes = graph.blocks.map((block) => ({
    ...block,
    x: block.column * pitch,
    y: block.row * ROW,
    width: Math.max(0, pitch - GAP_X),
    height: block.rows * ROW - GAP_Y,
  }));
  const byName = new Map(boxes.map((box) => [box.module, box]));
  const arrows = graph.streams.map(([from, to]): Arrow => {
    const [a, b] = [byName.get(from)!, byName.get(to)!];
    const end = [b.x, b.y + b.height / 2] as const;
    // A tall box sends level with where the data goes.
    const startY = Math.min(Math.max(end[1], a.y + 8), a.y + a.height - 8);
    const start = [a.x + a.width, startY] as const;
    const bend = end[0] - GAP_X / 2;
    const path = start[1] === end[1] ? `M${start[0]} ${start[1]}H${end[0]}` : `M${start[0]} ${start[1]}H${bend}V${end[1]}H${end[0]}`;
    return { from, to, path, end };
  });
  return { boxes, arrows, height: Math.max(0, graph.rows * ROW - GAP_Y) };
}
