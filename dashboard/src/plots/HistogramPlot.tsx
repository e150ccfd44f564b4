/** A histogram whose range can be brushed: with the mouse, or in two fields. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Histogram } from "../domain/histogram";
import { makeScale, ticksOf } from "../domain/scale";
import { formatNumber } from "../domain/units";
import { useWidth } from "../ui/basics";
import css from "./plots.module.css";

interface HistogramPlotProps {
  readonly histogram: Histogram;
  readonly title: string;
  readonly unit: string;
  /** From data units to the unit shown. */
  readonly factor: number;
  /** The range in force, in data units. */
  readonly range: readonly [number, number] | null;
  readonly onRange: (range: readonly [number, number] | null) => void;
}

const HEIGHT = 92;
const MARGIN = { left: 8, right: 8, top: 4, bottom: 20 };
const CLICK_PX = 3;

export function HistogramPlot({ histogram, title, unit, factor, range, onRange }: HistogramPlotProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const [drag, setDrag] = useState<readonly [number, number] | null>(null);
  const start = useRef<number | null>(null);
  const right = Math.max(MARGIN.left + 40, width - MARGIN.right);
  const bottom = HEIGHT - MARGIN.bottom;
  const { domain, kind, edges, all, selected } = histogram;
  const scale = makeScale(kind, domain[0] === domain[1] ? [domain[0] * 0.99 - 1e-9, domain[1] * 1.01 + 1e-9] : domain, [MARGIN.left, right]);
  const most = Math.max(1, ...all);
  const x = (i: number): number => MARGIN.left + (i / all.length) * (right - MARGIN.left);
  const bar = (i: number, count: number): string => {
    const top = bottom - (count / most) * (bottom - MARGIN.top);
    return `M${(x(i) + 0.5).toFixed(1)} ${bottom}V${top.toFixed(1)}H${(x(i + 1) - 0.5).toFixed(1)}V${bottom}Z`;
  };
  const at = (event: PointerEvent): number => Math.min(right, Math.max(MARGIN.left, event.clientX - (event.currentTarget as Element).getBoundingClientRect().left));
  const shown = drag ?? (range === null ? null : ([scale.toPixel(Math.max(range[0], domain[0])), scale.toPixel(Math.min(range[1], domain[1]))] as const));

  const finish = (event: PointerEvent): void => {
    const from = start.current;
    start.current = null;
    setDrag(null);
    if (from === null) return;
    const to = at(event);
    onRange(Math.abs(to - from) < CLICK_PX ? null : [scale.toValue(Math.min(from, to)), scale.toValue(Math.max(from, to))]);
  };

  return (
    <div class={css.histogram}>
      <h3>
        {title}
        {unit !== "" && <span class={css.histogramUnit}> ({unit})</span>}
      </h3>
      <div ref={box as { current: HTMLDivElement | null }}>
        <svg
          width={width}
          height={HEIGHT}
          class={css.histogramPlot}
          role="img"
          aria-label={`${title}: ${formatNumber(domain[0] * factor)} to ${formatNumber(domain[1] * factor)} ${unit}, ${edges.length - 1} bins`}
          onPointerDown={(event) => {
            start.current = at(event);
            (event.currentTarget as Element).setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => start.current !== null && setDrag([start.current, at(event)])}
          onPointerUp={finish}
          onPointerCancel={finish}
        >
          {shown !== null && <rect class={css.brush} x={Math.min(...shown)} y={MARGIN.top} width={Math.max(1, Math.abs(shown[1] - shown[0]))} height={bottom - MARGIN.top} />}
          <path class={css.histogramAll} d={all.map((count, i) => bar(i, count)).join("")} />
          <path class={css.histogramSelected} d={selected.map((count, i) => bar(i, count)).join("")} />
          <line class={css.axis} x1={MARGIN.left} x2={right} y1={bottom} y2={bottom} />
          {ticksOf(scale, Math.max(2, Math.round(width / 80)), factor)
            .filter((tick) => tick.label !== "")
            .map((tick) => (
              <text key={tick.value} class={css.tick} x={scale.toPixel(tick.value)} y={HEIGHT - 6} text-anchor="middle">
                {tick.label}
              </text>
            ))}
        </svg>
      </div>
      <RangeFields title={title} unit={unit} factor={factor} domain={domain} range={range} onRange={onRange} />
    </div>
  );
}

type RangeFieldsProps = Omit<HistogramPlotProps, "histogram"> & { readonly domain: readonly [number, number] };

/** The same range for those who type. */
function RangeFields({ title, unit, factor, domain, range, onRange }: RangeFieldsProps): JSX.Element {
  const field = (end: 0 | 1, word: string): JSX.Element => (
    <input
      class={css.rangeField}
      type="number"
      step="any"
      aria-label={`${title}, ${word}${unit === "" ? "" : ` in ${unit}`}`}
      placeholder={formatNumber(domain[end] * factor, 3)}
      value={range === null ? "" : Number((range[end] * factor).toPrecision(4))}
      onChange={({ currentTarget: { value } }) => {
        const typed = value === "" ? domain[end] : Number(value) / factor;
        const next: [number, number] = [...(range ?? domain)];
        next[end] = typed;
        onRange(next[0] === domain[0] && next[1] === domain[1] ? null : next);
      }}
    />
  );
  return (
    <div class={css.rangeFields}>
      {field(0, "from")}
      <span aria-hidden="true">to</span>
      {field(1, "to")}
    </div>
  );
}
