/** The roofline of both stages: multiply-accumulates a second against multiply-accumulates a byte, both logarithmic. */
import type { Stage } from "../domain/documents";
import type { StageRoof } from "../domain/roofline";
import { makeScale, type Scale, type Tick, ticksOf } from "../domain/scale";

export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface RoofMark {
  readonly stage: Stage;
  /** Slope up to the ridge, then flat. */
  readonly path: string;
  readonly ridge: readonly [number, number];
  readonly at: readonly [number, number];
  /** The roof above the mark. */
  readonly roofY: number;
  /** Share of the roof that is reached. */
  readonly reached: number;
  readonly limit: "arrays" | "memory";
}

export interface RooflineFigure {
  readonly x: Scale;
  readonly y: Scale;
  readonly xTicks: readonly Tick[];
  /** Labelled in 10^9 multiply-accumulates a second. */
  readonly yTicks: readonly Tick[];
  readonly marks: readonly RoofMark[];
}

const MARGIN = 3; // a factor of room around what is drawn

export function roofAt(roof: Pick<StageRoof, "peakMacsPerS" | "bytesPerS">, macsPerByte: number): number {
  return Math.min(roof.peakMacsPerS, roof.bytesPerS * macsPerByte);
}

export function rooflineFigure(roofs: readonly StageRoof[], plot: Plot): RooflineFigure | null {
  if (roofs.length === 0) return null;
  const xs = roofs.flatMap((roof) => [roof.macsPerByte, roof.peakMacsPerS / roof.bytesPerS]);
  const xDomain = [Math.min(...xs) / MARGIN, Math.max(...xs) * MARGIN] as const;
  const ys = roofs.flatMap((roof) => [roof.macsPerS, roof.peakMacsPerS, roofAt(roof, Math.min(...xs))]);
  const yDomain = [Math.min(...ys) / MARGIN, Math.max(...ys) * MARGIN] as const;
  const x = makeScale("log", xDomain, [plot.left, plot.right]);
  const y = makeScale("log", yDomain, [plot.bottom, plot.top]);
  const marks = roofs.map((roof): RoofMark => {
    const ridgeX = roof.peakMacsPerS / roof.bytesPerS;
    // The slope leaves the plot at its left side or at its bottom, whichever comes first.
    const startX = Math.max(xDomain[0], yDomain[0] / roof.bytesPerS);
    const points = [
      [startX, startX * roof.bytesPerS],
      [ridgeX, roof.peakMacsPerS],
      [xDomain[1], roof.peakMacsPerS],
    ] as const;
    const ceiling = roofAt(roof, roof.macsPerByte);
    return {
      stage: roof.stage,
      path: points.map(([px, py], i) => `${i === 0 ? "M" : "L"}${x.toPixel(px).toFixed(1)} ${y.toPixel(py).toFixed(1)}`).join(""),
      ridge: [x.toPixel(ridgeX), y.toPixel(roof.peakMacsPerS)],
      at: [x.toPixel(roof.macsPerByte), y.toPixel(roof.macsPerS)],
      roofY: y.toPixel(ceiling),
      reached: roof.macsPerS / ceiling,
      limit: roof.macsPerByte < ridgeX ? "memory" : "arrays",
    };
  });
  return { x, y, xTicks: ticksOf(x, 5), yTicks: ticksOf(y, 5, 1e-9), marks };
}
