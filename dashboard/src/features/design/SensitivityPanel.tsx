/** What one step of each parameter would do, as a tornado; asked for when the panel comes into view. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { signedPercent } from "../../domain/design";
import { type Explanation, knobText, knobTitle, knobWithValue } from "../../domain/explanation";
import { shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { leavesOut, type SpaceOverrides } from "../../domain/space";
import { ChartPanel } from "../../plots/ChartPanel";
import { TORNADO_ROW, type TornadoBar, tornadoFigure } from "../../plots/tornado";
import type { OpenExploration } from "../../state/exploration";
import { Failure, Skeleton, useWidth } from "../../ui/basics";
import { useSeen } from "../../ui/seen";
import css from "./figures.module.css";

interface SensitivityPanelProps {
  readonly opened: OpenExploration;
  readonly index: number;
  readonly objectives: readonly string[];
}

export function SensitivityPanel({ opened, index, objectives }: SensitivityPanelProps): JSX.Element {
  const [ref, seen] = useSeen<HTMLDivElement>();
  const [chosen, setChosen] = useState<string | null>(null);
  const data = seen ? opened.explanation(index).state.value.data : null;
  const names = data?.metrics ?? objectives;
  const metric = chosen ?? objectives.find((name) => names.includes(name)) ?? names[0] ?? "e2e_latency_s";
  return (
    <ChartPanel
      title="Sensitivity"
      file={`sensitivity-${metric}`}
      provenance="analytical"
      note="one legal step of each parameter down and up, the others equal"
      tools={
        <label class={css.pick}>
          Metric
          <select value={metric} onChange={(event) => setChosen(event.currentTarget.value)}>
            {names.map((name) => (
              <option key={name} value={name}>
                {metricOf(name).title}
              </option>
            ))}
          </select>
        </label>
      }
    >
      <div ref={ref as { current: HTMLDivElement | null }}>{seen ? <Loaded opened={opened} index={index} metric={metric} /> : <Skeleton label="Sensitivity: waits until it is looked at" lines={8} />}</div>
    </ChartPanel>
  );
}

function Loaded({ opened, index, metric }: { readonly opened: OpenExploration; readonly index: number; readonly metric: string }): JSX.Element {
  const found = opened.explanation(index);
  const { data, error } = found.state.value;
  if (data === null) return error === null ? <Skeleton label="Pricing the neighbours of the design" lines={8} /> : <Failure error={error} retry={() => void found.load()} />;
  return (
    <div class={css.column}>
      <ul class={css.facts} aria-label="What binds">
        {data.binds.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <Tornado explanation={data} metric={metric} space={opened.detail.state.value.data?.space ?? null} />
    </div>
  );
}

const LABELS = 262;
const ENDS = 92;

interface TornadoProps {
  readonly explanation: Explanation;
  readonly metric: string;
  /** Of the exploration; null for the whole default space. */
  readonly space: SpaceOverrides | null;
}

function Tornado({ explanation, metric, space }: TornadoProps): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const info = metricOf(metric);
  const figure = tornadoFigure(explanation.knobs, metric, info.sense, LABELS + ENDS, Math.max(LABELS + ENDS + 60, width - ENDS));
  if (figure.rows.length === 0) return <p class={css.note}>No single step changes {info.title.toLowerCase()}.</p>;
  const strongest = figure.rows[0]!;
  const bottom = figure.rows.length * TORNADO_ROW;
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.column}>
      <ul class={css.keys} aria-label="Colours of the bars">
        <li>
          <span class={css.swatch} style={{ background: "var(--bound-compute)" }} aria-hidden="true" /> better
        </li>
        <li>
          <span class={css.swatch} style={{ background: "var(--bar-over)" }} aria-hidden="true" /> worse
        </li>
        <li>
          <span class={css.hollow} aria-hidden="true" /> does not fit the card
        </li>
      </ul>
      <svg width={width} height={figure.height} role="img" aria-label={`Sensitivity of ${info.title}: strongest parameter ${knobTitle(strongest.knob)}`}>
        {figure.ticks.map((tick) => (
          <g key={tick.change}>
            <line class={css.grid} x1={tick.x} x2={tick.x} y1={0} y2={bottom} />
            <text class={css.tick} x={tick.x} y={bottom + 14} text-anchor="middle">
              {signedPercent(tick.change)}
            </text>
          </g>
        ))}
        {figure.rows.map((row) => (
          <g key={row.y} data-knob={row.knob}>
            <text class={css.rowLabel} x={0} y={row.y + 16}>
              {knobWithValue(row.knob, row.value)}
            </text>
            {spread(row.bars).map(({ bar, top, height }) => (
              <g key={bar.to}>
                <title>{`${knobWithValue(row.knob, row.value)} → ${knobText(bar.to)}: ${info.title} ${signedPercent(bar.change)}, ${bar.better ? "better" : "worse"}${bar.feasible ? "" : bar.floorplan === "refused" ? ", refused by the assignment to SLRs" : ", does not fit the card"}${leavesOut(space, row.knob, bar.to) ? ", not in the space of this exploration" : ""}`}</title>
                <rect class={css.tornado} data-better={bar.better} data-feasible={bar.feasible} x={bar.x} y={row.y + top} width={Math.max(1, bar.width)} height={height} />
                <text class={css.small} x={bar.change < 0 ? bar.x - 4 : bar.x + bar.width + 4} y={row.y + top + height / 2 + 4} text-anchor={bar.change < 0 ? "end" : "start"}>
                  → {knobText(bar.to)}
                  {leavesOut(space, row.knob, bar.to) ? " *" : ""}
                </text>
              </g>
            ))}
          </g>
        ))}
        <line class={css.zero} x1={figure.zero} x2={figure.zero} y1={0} y2={bottom} />
        <text class={css.axisTitle} x={width - ENDS} y={bottom + 30} text-anchor="end">
          change of {shortTitle(info)}
        </text>
      </svg>
      {space !== null && <p class={css.note}>Steps within the whole default space; * this exploration left the value out.</p>}
      {figure.without.length > 0 && <p class={css.note}>Without effect on it: {figure.without.map(knobTitle).join(", ")}.</p>}
    </div>
  );
}

/** Two bars to the same side share the height of the row; to both sides each has all of it. */
function spread(bars: readonly TornadoBar[]): { readonly bar: TornadoBar; readonly top: number; readonly height: number }[] {
  const sameSide = bars.length === 2 && bars[0]!.change < 0 === bars[1]!.change < 0;
  return bars.map((bar, i) => (sameSide ? { bar, top: 1 + i * 12, height: 11 } : { bar, top: 4, height: 16 }));
}
