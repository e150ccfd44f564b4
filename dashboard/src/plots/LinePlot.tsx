/** A series with uPlot: many points, cursor with values, colours of the theme. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useWidth } from "../ui/basics";
import { dark } from "../ui/theme";
import css from "./plots.module.css";

export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface LinePlotProps {
  readonly x: readonly number[];
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly format: (value: number) => string;
  readonly formatX: (value: number) => string;
  readonly xLog?: boolean;
  /** The values are counts: no tick between two of them. */
  readonly isCount?: boolean;
  readonly height?: number;
  readonly label: string;
}

/** Okabe-Ito, and dashes for those who do not see colours. */
const COLOURS = ["--accent", "--bound-hbm", "--bound-serial", "--slice-swap"] as const;
/** 1, 2, 5, 10, ... */
const COUNT_STEPS = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
/** Width of a digit of the labels at an axis. */
const DIGIT_PX = 6.2;
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]] as const;

export function LinePlot({ x, lines, xLabel, yLabel, format, formatX, xLog = false, isCount = false, height = 240, label }: LinePlotProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const isDark = dark.value;
  const names = lines.map((line) => line.label).join();
  const data = [[...x], ...lines.map((line) => [...line.values])] as uPlot.AlignedData;

  useEffect(() => {
    const element = box.current;
    if (element === null || width === 0) return undefined;
    const styles = getComputedStyle(element);
    const colour = (name: string): string => styles.getPropertyValue(name).trim();
    const axis = (text: string, show: (value: number) => string): uPlot.Axis => ({
      label: text,
      stroke: colour("--muted"),
      grid: { stroke: colour("--grid"), width: 1 },
      ticks: { stroke: colour("--line-strong"), width: 1 },
      font: `11px ${colour("--sans")}`,
      labelFont: `550 11.5px ${colour("--sans")}`,
      labelSize: 22,
      gap: 6,
      values: (_, values) => values.map((value) => (value === null ? "" : show(value))),
    });
    const made = new uPlot(
      {
        width,
        height,
        scales: { x: { time: false, ...(xLog ? { distr: 3 as const } : {}) } },
        legend: { show: false },
        hooks: { setCursor: [(self) => setCursor(self.cursor.idx ?? null)] },
        axes: [
          { ...axis(xLabel, formatX), size: 34 },
          { ...axis(yLabel, format), ...(isCount ? { incrs: COUNT_STEPS } : {}), size: (_, shown) => 14 + DIGIT_PX * Math.max(4, ...(shown ?? []).map((text) => text.length)) },
        ],
        series: [
          { label: xLabel, value: (_, value) => (value === null ? "" : formatX(value)) },
          ...lines.map((line, i) => ({
            label: line.label,
            stroke: colour(COLOURS[i % COLOURS.length]!),
            width: 1.6,
            dash: [...DASHES[i % DASHES.length]!],
            points: { show: x.length < 40, size: 5 },
            value: (_: uPlot, value: number | null) => (value === null ? "" : format(value)),
          })),
        ],
      },
      data,
      element,
    );
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, height, isDark, names, xLabel, yLabel, xLog, isCount]);

  useEffect(() => plot.current?.setData(data), [x, lines]);
  const at = cursor !== null && cursor < x.length ? cursor : x.length - 1;
  return (
    <div>
      <div ref={box as { current: HTMLDivElement | null }} class={css.line} role="img" aria-label={label} />
      <ul class={css.lineKeys}>
        <li>
          {xLabel} <strong>{at < 0 ? "" : formatX(x[at]!)}</strong>
        </li>
        {lines.map((line, i) => (
          <li key={line.label}>
            <svg width={26} height={10} aria-hidden="true">
              <path d="M1 5H25" fill="none" stroke-width="2" stroke-dasharray={DASHES[i % DASHES.length]!.join(" ")} style={{ stroke: `var(${COLOURS[i % COLOURS.length]!})` }} />
            </svg>
            {line.label} <strong>{line.values[at] == null ? "" : format(line.values[at]!)}</strong>
          </li>
        ))}
      </ul>
    </div>
  );
}
