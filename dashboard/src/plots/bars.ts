/** Bars as data: stacked parts of a whole, and channels against their limits. */

export interface Part {
  readonly key: string;
  readonly value: number;
}

export interface Segment {
  readonly key: string;
  readonly x: number;
  readonly width: number;
  readonly share: number;
}

/** Parts side by side in `width` pixels; what is zero or negative takes no room. */
export function stackedSegments(parts: readonly Part[], width: number): Segment[] {
  const total = parts.reduce((sum, part) => sum + Math.max(0, part.value), 0);
  if (total <= 0) return [];
  const segments: Segment[] = [];
  let before = 0;
  for (const part of parts) {
    const value = Math.max(0, part.value);
    if (value === 0) continue;
    segments.push({ key: part.key, x: (before / total) * width, width: (value / total) * width, share: value / total });
    before += value;
  }
  return segments;
}

/** Whether a text of about `length` characters of 11 px fits into `width` pixels. */
export function fits(text: string, width: number): boolean {
  return text.length * 6.1 + 10 <= width;
}

export interface ChannelBar {
  readonly channel: number;
  readonly x: number;
  readonly width: number;
  readonly top: number;
  readonly height: number;
  readonly limitY: number;
  readonly fraction: number;
  readonly bytesPerS: number;
  readonly limitBytesPerS: number;
}

export interface ChannelFigure {
  readonly bars: readonly ChannelBar[];
  readonly highest: number;
}

interface Traffic {
  readonly channel: number;
  readonly bytes_per_s: number;
  readonly limit_bytes_per_s: number;
}

/** One slot per channel of the card, idle ones included, so that the same channel is at the same place in every chart; `most` is a rate that must fit. */
export function channelFigure(
  traffic: readonly Traffic[],
  channels: number,
  plot: { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number },
  most = 0,
): ChannelFigure {
  const slots = Math.max(channels, ...traffic.map((entry) => entry.channel + 1), 1);
  const highest = Math.max(...traffic.flatMap((entry) => [entry.bytes_per_s, entry.limit_bytes_per_s]), most) * 1.06 || 1;
  const slot = (plot.right - plot.left) / slots;
  const toY = (value: number): number => plot.bottom - (value / highest) * (plot.bottom - plot.top);
  const bars = traffic.map((entry) => ({
    channel: entry.channel,
    x: plot.left + entry.channel * slot + slot * 0.14,
    width: slot * 0.72,
    top: toY(entry.bytes_per_s),
    height: plot.bottom - toY(entry.bytes_per_s),
    limitY: toY(entry.limit_bytes_per_s),
    fraction: entry.limit_bytes_per_s > 0 ? entry.bytes_per_s / entry.limit_bytes_per_s : Number.NaN,
    bytesPerS: entry.bytes_per_s,
    limitBytesPerS: entry.limit_bytes_per_s,
  }));
  return { bars, highest };
}

/** Points of a line through a series, in a box of `width` x `height`; null below two points. */
export function sparklinePath(
  points: readonly { readonly x: number; readonly y: number }[],
  width: number,
  height: number,
): string | null {
  if (points.length < 2) return null;
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const spanX = x1 - x0 || 1;
  const spanY = y1 - y0 || 1;
  return points
    .map(({ x, y }, i) => {
      const px = ((x - x0) / spanX) * width;
      const py = height - 1.5 - ((y - y0) / spanY) * (height - 3);
      return `${i === 0 ? "M" : "L"}${px.toFixed(1)} ${py.toFixed(1)}`;
    })
    .join("");
}
