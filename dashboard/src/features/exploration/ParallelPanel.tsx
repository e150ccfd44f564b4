/** The designs of the front across metrics and parameters: one line a design, better is up, every axis selects. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { FrontView } from "../../domain/columns";
import { DECODE_PARAMETERS, PREFILL_PARAMETERS } from "../../domain/design";
import { formatMetric, type MetricInfo, metricScale, shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { withRange } from "../../domain/selection";
import { ChartPanel } from "../../plots/ChartPanel";
import { ColourLegend } from "../../plots/ColourLegend";
import type { ParallelColumn } from "../../plots/parallel";
import { ParallelPlot } from "../../plots/ParallelPlot";
import { type ColourScale, colourScaleOf, isFlat, toneOf } from "../../plots/scatter";
import { formatView, NO_PARALLEL } from "../../state/route";
import { route, setView } from "../../state/router";
import css from "./exploration.module.css";

interface ParallelPanelProps {
  readonly front: FrontView;
  readonly names: readonly string[];
  readonly colour: string;
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly mask: Uint8Array | null;
}

export function ParallelPanel({ front, names, colour, registry, mask }: ParallelPanelProps): JSX.Element {
  const available = useMemo(() => columnsOf(front, names, registry), [front, names.join(), registry]);
  const { parallel } = route.value.view;
  const { order } = parallel;
  const hidden = useMemo(() => new Set(parallel.hidden), [parallel.hidden.join()]);
  const inverted = useMemo(() => new Set(parallel.turned), [parallel.turned.join()]);
  const ordered = useMemo(() => {
    const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length + available.findIndex((column) => column.name === name));
    return [...available].sort((a, b) => place(a.name) - place(b.name));
  }, [available, order.join()]);
  const shown = useMemo(() => ordered.filter((column) => !hidden.has(column.name)), [ordered, hidden]);
  const scale = useMemo(() => scaleOf(front, colour), [front, colour]);
  const tone = useMemo(() => tonesOf(front, colour, scale), [front, colour, scale]);
  const { selection } = route.value.view;
  const ranges = useMemo(() => new Map(selection.ranges.map((range) => [range.column, [range.low, range.high] as const])), [selection]);

  const move = (name: string, step: 1 | -1): void => {
    const all = ordered.map((column) => column.name);
    const at = all.indexOf(name);
    const to = at + step;
    if (to < 0 || to >= all.length) return;
    [all[at], all[to]] = [all[to]!, all[at]!];
    setView({ parallel: { ...parallel, order: all } });
  };
  const flip = (list: readonly string[], name: string): readonly string[] => (list.includes(name) ? list.filter((other) => other !== name) : [...list, name]);
  return (
    <ChartPanel title="Parallel coordinates" file="parallel-coordinates" note="designs of the front; better is up; drag along an axis to select" flush>
      <ParallelPlot
        columns={shown}
        inverted={inverted}
        tone={tone}
        mask={mask}
        ranges={ranges}
        onRange={(column, range) => setView({ selection: withRange(selection, column, range) })}
        label={`${front.table.rows} designs across ${shown.map((column) => column.label).join(", ")}`}
      />
      {scale !== null && (
        <div class={css.legendRow}>
          <ColourLegend title={`${metricOf(colour, registry).title}, over the front alone`} scale={scale} format={(value) => formatMetric(metricOf(colour, registry), value)} />
        </div>
      )}
      <details class={css.axisList}>
        <summary>Axes: order, direction, choice</summary>
        {formatView({ parallel }) !== "" && (
          <button type="button" class={css.toggle} onClick={() => setView({ parallel: NO_PARALLEL })}>
            As they come
          </button>
        )}
        <ul>
          {ordered.map((column) => (
            <li key={column.name}>
              <label>
                <input type="checkbox" checked={!hidden.has(column.name)} onChange={() => setView({ parallel: { ...parallel, hidden: flip(parallel.hidden, column.name) } })} /> {column.label}
              </label>
              <button type="button" class={css.toggle} aria-label={`Move ${column.label} to the left`} onClick={() => move(column.name, -1)}>
                ←
              </button>
              <button type="button" class={css.toggle} aria-label={`Move ${column.label} to the right`} onClick={() => move(column.name, 1)}>
                →
              </button>
              <button type="button" class={css.toggle} aria-pressed={inverted.has(column.name)} aria-label={`Turn ${column.label} around`} onClick={() => setView({ parallel: { ...parallel, turned: flip(parallel.turned, column.name) } })}>
                ↕
              </button>
            </li>
          ))}
        </ul>
      </details>
    </ChartPanel>
  );
}

function columnsOf({ table }: FrontView, names: readonly string[], registry: ReadonlyMap<string, MetricInfo>): ParallelColumn[] {
  const metrics = names.map((name): ParallelColumn => {
    const metric = metricOf(name, registry);
    const values = table.numbers(name) ?? new Float64Array();
    return { name, label: shortTitle(metric), ...metricScale(metric, values), values, sense: metric.sense };
  });
  const parameters = (stage: "prefill" | "decode", list: typeof PREFILL_PARAMETERS): ParallelColumn[] =>
    list.flatMap((parameter) => {
      const name = `${stage}.${parameter.key}`;
      const values = table.numbers(name);
      return values === null ? [] : [{ name, label: `${stage === "prefill" ? "P" : "D"} ${parameter.short}`, unit: "", factor: 1, values, sense: null }];
    });
  const tells = (column: ParallelColumn): boolean => {
    const scale = colourScaleOf(Array.from(column.values));
    return scale !== null && !isFlat(scale);
  };
  return [...metrics, ...parameters("prefill", PREFILL_PARAMETERS), ...parameters("decode", DECODE_PARAMETERS)].filter(tells);
}

/** From the best to the worst of the front: the designs behind it are no lines here. */
function scaleOf({ table }: FrontView, colour: string): ColourScale | null {
  const values = table.numbers(colour);
  return values === null ? null : colourScaleOf(values);
}

function tonesOf({ table }: FrontView, colour: string, scale: ColourScale | null): Float32Array {
  const tone = new Float32Array(table.rows).fill(Number.NaN);
  const values = table.numbers(colour);
  if (values !== null && scale !== null) for (let i = 0; i < tone.length; i += 1) tone[i] = toneOf(scale, values[i]!);
  return tone;
}
