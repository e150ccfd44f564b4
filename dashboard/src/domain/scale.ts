/** Axis scales: data -> pixel and back, with ticks at round numbers. */

export type ScaleKind = "linear" | "log";

export interface Tick {
  readonly value: number;
  /** Empty for the small ticks between labelled ones. */
  readonly label: string;
}

export interface Scale {
  readonly kind: ScaleKind;
  readonly domain: readonly [number, number];
  readonly range: readonly [number, number];
  toPixel(value: number): number;
  toValue(pixel: number): number;
}

/** Smallest and largest number that the axis kind can show; null when there is none. */
export function extent(values: Iterable<number>, kind: ScaleKind = "linear"): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (kind === "log" && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** `domain` with a margin on both sides, so that no point sits on the frame; a single value gets room around it. */
export function padded(domain: readonly [number, number], kind: ScaleKind, margin = 0.05): [number, number] {
  const [low, high] = domain;
  if (kind === "log") {
    if (low === high) return [low / 2, high * 2];
    const grow = (high / low) ** margin;
    return [low / grow, high * grow];
  }
  if (low === high) {
    const room = low === 0 ? 1 : Math.abs(low) * 0.5;
    return [low - room, high + room];
  }
  const grow = (high - low) * margin;
  // A margin must not make a quantity that cannot be negative look as if it could.
  return [low >= 0 && low - grow < 0 ? 0 : low - grow, high + grow];
}

export function makeScale(kind: ScaleKind, domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [r0, r1] = range;
  const forward = kind === "log" ? Math.log10 : (value: number) => value;
  const backward = kind === "log" ? (value: number) => 10 ** value : (value: number) => value;
  const d0 = forward(domain[0]);
  const slope = (r1 - r0) / (forward(domain[1]) - d0 || 1);
  return {
    kind,
    domain,
    range,
    toPixel: (value) => r0 + (forward(value) - d0) * slope,
    toValue: (pixel) => backward(d0 + (pixel - r0) / slope),
  };
}

/** A step of 1, 2 or 5 times a power of ten that gives about `count` ticks. */
export function niceStep(span: number, count: number): number {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power;
}

function label(value: number, decimals: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

function linearTicks(low: number, high: number, count: number): Tick[] {
  const step = niceStep(high - low, count);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: Tick[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    const value = Number((i * step).toPrecision(12));
    ticks.push({ value, label: label(value, decimals) });
  }
  return ticks;
}

function logTicks(low: number, high: number, count: number): Tick[] {
  const decades = Math.log10(high / low);
  // Within less than a decade and a half, powers of ten alone would leave the axis bare.
  if (decades < 1) return linearTicks(low, high, count).filter((tick) => tick.value > 0);
  const leads = decades <= 2.2 ? [1, 2, 5] : decades <= 3.5 ? [1, 3] : [1];
  const every = Math.max(1, Math.ceil(decades / Math.max(2, count)));
  const ticks: Tick[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent += 1) {
    for (let lead = 1; lead < 10; lead += 1) {
      const value = Number(`${lead}e${exponent}`);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      const named = leads.includes(lead) && exponent % every === 0;
      ticks.push({ value, label: named ? label(value, Math.max(0, -exponent)) : "" });
    }
  }
  return ticks;
}

/** Ticks at round numbers of the scale's domain times `factor` (the unit shown); `value` stays in data units. */
export function ticksOf(scale: Scale, count: number, factor = 1): Tick[] {
  const low = scale.domain[0] * factor;
  const high = scale.domain[1] * factor;
  const ticks = scale.kind === "log" ? logTicks(low, high, count) : linearTicks(low, high, count);
  return ticks.map((tick) => ({ value: tick.value / factor, label: tick.label }));
}
