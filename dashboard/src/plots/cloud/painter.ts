/** What draws a cloud: a graphics card where there is one, else the processor. */
import type { CloudPoints } from "./points";
import type { Window } from "./window";

export type Rgb = readonly [number, number, number];

export interface CloudStyle {
  /** 255 colours of the tones; tone 255 stands for a missing value. */
  readonly palette: readonly Rgb[];
  readonly missing: Rgb;
  readonly infeasible: Rgb;
  /** Of what is not selected, where something is. */
  readonly faded: Rgb;
  readonly hasSelection: boolean;
  /** Edge of a point in pixels of the screen. */
  readonly size: number;
}

export const INFEASIBLE = 1;
export const SELECTED = 2;
export const NO_TONE = 255;

export interface CloudPainter {
  readonly kind: "webgl" | "raster";
  setPoints(points: CloudPoints): void;
  /** One byte a point, in the order of drawing: place in the palette, or `NO_TONE`. */
  setTones(tones: Uint8Array): void;
  /** One byte a point, in the order of drawing: `INFEASIBLE`, `SELECTED`. */
  setFlags(flags: Uint8Array): void;
  setStyle(style: CloudStyle): void;
  /** Size of the canvas in its own pixels. */
  resize(width: number, height: number): void;
  /** Draws the points from `from` to `to`, over what is there unless `clear`. */
  draw(window: Window, from: number, to: number, clear: boolean): void;
  /** Everything given to `draw` is on the screen. */
  isIdle(): boolean;
  dispose(): void;
}

/** Height of a point in the picture: selected over feasible over infeasible, whatever is drawn first. */
export function rankOf(flags: number, hasSelection: boolean): number {
  const isFeasible = (flags & INFEASIBLE) === 0;
  return (hasSelection && (flags & SELECTED) !== 0 ? 2 : 0) + (isFeasible ? 1 : 0);
}
