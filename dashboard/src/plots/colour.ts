/** Colours that people with any colour vision can tell apart: viridis for numbers, Okabe-Ito for kinds. */

// 11 samples of matplotlib's viridis (CC0), dark to bright.
const VIRIDIS: readonly (readonly [number, number, number])[] = [
  [68, 1, 84],
  [72, 36, 117],
  [65, 68, 135],
  [53, 95, 141],
  [42, 120, 142],
  [33, 145, 140],
  [34, 168, 132],
  [68, 191, 112],
  [122, 209, 81],
  [189, 223, 38],
  [253, 231, 37],
];

/** The end of viridis that would vanish into the background is left out. */
export function viridisSpan(dark: boolean): readonly [number, number] {
  return dark ? [0.22, 1] : [0, 0.88];
}

export function viridis(t: number, dark = false): string {
  return `rgb(${viridisRgb(t, dark).join(" ")})`;
}

export function viridisRgb(t: number, dark = false): [number, number, number] {
  const [from, to] = viridisSpan(dark);
  const clamped = Math.min(1, Math.max(0, Number.isNaN(t) ? 0 : t));
  const position = (from + clamped * (to - from)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(position));
  const a = VIRIDIS[i]!;
  const b = VIRIDIS[i + 1]!;
  const part = position - i;
  const mix = (k: 0 | 1 | 2): number => Math.round(a[k] + (b[k] - a[k]) * part);
  return [mix(0), mix(1), mix(2)];
}

/** `count` colours that stand for equal steps of the domain: points of one step are drawn together. */
export function viridisSteps(count: number, dark = false): string[] {
  return Array.from({ length: count }, (_, i) => viridis(count === 1 ? 0.5 : i / (count - 1), dark));
}
