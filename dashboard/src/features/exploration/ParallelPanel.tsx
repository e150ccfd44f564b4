/** The designs of the front across metrics and parameters: one line a design, better is up, every axis selects. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { FrontView } from "../../domain/columns";
import { DECODE_PARAMETERS, PREFILL_PARAMETERS } from "../../domain/design";
import { type MetricInfo, metricScale, shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { withRange } from "../../domain/selection";
import { ChartPanel } from "../../plots/ChartPanel";
import type { ParallelColumn } from "../../plots/parallel";
import { ParallelPlot } from "../../plots/ParallelPlot";
import { colourScaleOf, isFlat, toneOf } from "../../plots/scatter";
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
  const [order, setOrder] = useState<readonly string[]>([]);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [inverted, setInverted] = useState<ReadonlySet<string>>(new Set());
  const ordered = useMemo(() => {
    const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length + available.findIndex((column) => column.name === name));
    return [...available].sort((a, b) => place(a.name) - place(b.name));
  }, [available, order]);
  const shown = useMemo(() => ordered.filter((column) => !hidden.has(column.name)), [ordered, hidden]);
  const tone = useMemo(() => tonesOf(front, colour), [front, colour]);
  const { selection } = route.value.view;
  const ranges = useMemo(() => new Map(selection.ranges.map((range) => [range.column, [range.low, range.high] as const])), [selection]);

  const move = (name: string, step: 1 | -1): void => {
    const all = ordered.map((column) => column.name);
    const at = all.indexOf(name);
    const to = at + step;
    if (to < 0 || to >= all.length) return;
    [all[at], all[to]] = [all[to]!, all[at]!];
    setOrder(all);
  };
  const flip = (set: ReadonlySet<string>, name: string): ReadonlySet<string> => {
    const next = new Set(set);
    if (!next.delete(name)) next.add(name);
    return next;
  };
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
      <details class={css.axisList}>
        <summary>Axes: order, direction, choice</summary>
        <ul>
          {ordered.map((column) => (
            <li key={column.name}>
              <label>
                <input type="checkbox" checked={!hidden.has(column.name)} onChange={() => setHidden(flip(hidden, column.name))} /> {column.label}
              </label>
              <button type="button" class={css.toggle} aria-label={`Move ${column.label} to the left`} onClick={() => move(column.name, -1)}>
                ←
              </button>
              <button type="button" class={css.toggle} aria-label={`Move ${column.label} to the right`} onClick={() => move(column.name, 1)}>
                →
              </button>
              <button type="button" class={css.toggle} aria-pressed={inverted.has(column.name)} aria-label={`Turn ${column.label} around`} onClick={() => setInverted(flip(inverted, column.name))}>
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

function tonesOf({ table }: FrontView, colour: string): Float32Array {
  const tone = new Float32Array(table.rows).fill(Number.NaN);
  const values = table.numbers(colour);
  const scale = values === null ? null : colourScaleOf(values);
  if (values !== null && scale !== null) for (let i = 0; i < tone.length; i += 1) tone[i] = toneOf(scale, values[i]!);
  return tone;
}
