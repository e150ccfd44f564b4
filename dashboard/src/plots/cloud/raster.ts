/** Draws a cloud without a graphics card: squares of pixels into an image. */
import { type CloudPainter, type CloudStyle, INFEASIBLE, NO_TONE, rankOf, SELECTED } from "./painter";
import type { CloudPoints } from "./points";
import type { Window } from "./window";

export function rasterPainter(canvas: HTMLCanvasElement): CloudPainter | null {
  const context = canvas.getContext("2d");
  return context === null ? null : new RasterPainter(context);
}

function packed(rgb: readonly [number, number, number]): number {
  return (255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0];
}

class RasterPainter implements CloudPainter {
  readonly kind = "raster";
  private readonly context: CanvasRenderingContext2D;
  private points: CloudPoints | null = null;
  private tones = new Uint8Array();
  private flags = new Uint8Array();
  private style: CloudStyle | null = null;
  private image: ImageData | null = null;
  /** Rank of what is in each pixel, plus one. */
  private ranks = new Uint8Array();

  constructor(context: CanvasRenderingContext2D) {
    this.context = context;
  }

  setPoints(points: CloudPoints): void {
    this.points = points;
  }

  setTones(tones: Uint8Array): void {
    this.tones = Uint8Array.from(tones);
  }

  setFlags(flags: Uint8Array): void {
    this.flags = Uint8Array.from(flags);
  }

  setStyle(style: CloudStyle): void {
    this.style = style;
  }

  resize(width: number, height: number): void {
    const { canvas } = this.context;
    if (this.image !== null && canvas.width === width && canvas.height === height) return;
    [canvas.width, canvas.height] = [width, height];
    this.image = this.context.createImageData(width, height);
    this.ranks = new Uint8Array(width * height);
  }

  draw(window: Window, from: number, to: number, clear: boolean): void {
    const { image, points, style, ranks } = this;
    if (image === null || points === null || style === null) return;
    const { width, height } = image;
    const pixels = new Uint32Array(image.data.buffer);
    if (clear) {
      pixels.fill(0);
      ranks.fill(0);
    }
    const palette = Uint32Array.from(style.palette, packed);
    const [missing, infeasible, faded] = [packed(style.missing), packed(style.infeasible), packed(style.faded)];
    const scaleX = width / (window.x1 - window.x0);
    const scaleY = height / (window.y1 - window.y0);
    for (let i = from; i < to; i += 1) {
      const flags = this.flags[i]!;
      const isChosen = style.hasSelection && (flags & SELECTED) !== 0;
      const edge = Math.max(1, Math.round(style.size + (isChosen ? 1 : 0)));
      const left = Math.round((points.x[i]! - window.x0) * scaleX - edge / 2);
      const top = Math.round(height - (points.y[i]! - window.y0) * scaleY - edge / 2);
      if (left < 0 || top < 0 || left + edge > width || top + edge > height) continue;
      const tone = this.tones[i]!;
      const own = (flags & INFEASIBLE) !== 0 ? infeasible : tone === NO_TONE ? missing : palette[tone]!;
      const colour = style.hasSelection && !isChosen ? faded : own;
      const rank = rankOf(flags, style.hasSelection) + 1;
      for (let row = top; row < top + edge; row += 1) {
        for (let at = row * width + left; at < row * width + left + edge; at += 1) {
          if (rank < ranks[at]!) continue;
          ranks[at] = rank;
          pixels[at] = colour;
        }
      }
    }
    this.context.putImageData(image, 0, 0);
  }

  isIdle(): boolean {
    return true;
  }

  dispose(): void {
    this.image = null;
  }
}
