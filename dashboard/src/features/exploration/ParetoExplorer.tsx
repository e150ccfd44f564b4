/** The scatter of any two metrics, coloured by a third, with its controls. */
import type { ComponentChildren, JSX } from "preact";
import { useId, useMemo } from "preact/hooks";
import type { Columns } from "../../domain/columns";
import { formatMetric, type MetricInfo, metricScale, shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import { formatCount } from "../../domain/units";
import { ColourLegend } from "../../plots/ColourLegend";
import { type Column, colourScaleOf } from "../../plots/scatter";
import { ScatterPlot } from "../../plots/ScatterPlot";
import type { Axes } from "../../state/axes";
import type { Reference } from "../../state/references";
import { setView } from "../../state/router";
import { classes, Panel } from "../../ui/basics";
import css from "./exploration.module.css";

interface ParetoExplorerProps {
  readonly axes: Axes | null;
  readonly columns: Columns;
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly objectives: readonly string[];
  readonly references: readonly Reference[];
  /** The search still runs: points are objective vectors without a design behind them. */
  readonly live: boolean;
  readonly highlighted?: number;
  readonly selected?: number;
  readonly height?: number;
  /** Beside something else: no notes, the axes below the title. */
  readonly compact?: boolean;
  readonly title?: string;
  /** What to show where there is no point. */
  readonly empty: ComponentChildren;
  readonly keyOf: (index: number) => string;
  readonly onOpen?: ((index: number) => void) | undefined;
}

export function plotColumn(name: string, columns: Columns, registry: ReadonlyMap<string, MetricInfo>): Column {
  const metric = metricOf(name, registry);
  const values = columns.get(name) ?? new Float64Array();
  const scale = metricScale(metric, values);
  return { values, label: metric.title, unit: scale.unit, factor: scale.factor, sense: metric.sense };
}

export function ParetoExplorer(props: ParetoExplorerProps): JSX.Element {
  const { axes, columns, registry, objectives, references, live, highlighted = -1, selected = -1, height = 420, compact = false, empty, keyOf, onOpen } = props;
  const title = props.title ?? (live ? "Pareto front, filling in" : "Pareto front");
  const input = useMemo(() => {
    if (axes === null) return null;
    return {
      x: plotColumn(axes.x, columns, registry),
      y: plotColumn(axes.y, columns, registry),
      colour: axes.colour === "" ? null : plotColumn(axes.colour, columns, registry),
      xKind: axes.xKind,
      yKind: axes.yKind,
      references: references.flatMap((reference) => {
        const [x, y] = [reference.metrics[axes.x], reference.metrics[axes.y]];
        return x == null || y == null ? [] : [{ label: reference.title, x, y }];
      }),
    };
  }, [axes, columns, registry, references]);

  if (axes === null || input === null || input.x.values.length === 0) {
    return <Panel title={title}>{empty}</Panel>;
  }
  const names = [...columns.keys()];
  const colourMetric = axes.colour === "" ? null : metricOf(axes.colour, registry);
  const colourScale = input.colour === null ? null : colourScaleOf(input.colour.values);
  const count = input.x.values.length;

  const rows = (index: number): [MetricInfo, number | null][] =>
    [...new Set([axes.x, axes.y, axes.colour, ...objectives])]
      .filter((name) => name !== "" && columns.has(name))
      .map((name) => {
        const value = columns.get(name)![index]!;
        return [metricOf(name, registry), Number.isNaN(value) ? null : value];
      });

  const tooltip = (index: number): JSX.Element => (
    <>
      <p class={css.tipTitle}>{live ? "On the front so far" : `Design #${index}`}</p>
      <dl class={css.tip}>
        {rows(index).map(([metric, value]) => (
          <Row key={metric.name} title={shortTitle(metric)} text={formatMetric(metric, value)} />
        ))}
      </dl>
      {!live && onOpen !== undefined && <p class={css.tipHint}>{keyOf(index)} · click to open</p>}
    </>
  );
  const describe = (index: number): string =>
    `${live ? "Point" : `Design ${index}`}: ${rows(index)
      .map(([metric, value]) => `${metric.title} ${formatMetric(metric, value)}`)
      .join(", ")}`;

  return (
    <Panel
      title={title}
      flush
      note={compact ? undefined : `${formatCount(count)} designs`}
      tools={<AxisControls axes={axes} names={names} registry={registry} compact={compact} />}
    >
      <div class={css.legendRow}>
        {colourMetric !== null && colourScale !== null && (
          <ColourLegend title={colourMetric.title} scale={colourScale} format={(value) => formatMetric(colourMetric, value)} />
        )}
        {!compact && (
          <span class={css.key}>
            <svg width={34} height={12} aria-hidden="true">
              <path d="M1 6H11M23 6H33" fill="none" stroke="currentColor" stroke-dasharray="3 2" />
              <circle cx={17} cy={6} r={4.5} fill="currentColor" />
            </svg>
            best in these two metrics
          </span>
        )}
        {input.references.length > 0 && !compact && (
          <span class={css.key}>
            <svg width={12} height={12} aria-hidden="true">
              <path d="M6 1l5 5l-5 5l-5 -5z" fill="none" stroke="var(--limit)" stroke-width="1.6" />
            </svg>
            published design, priced by the same models
          </span>
        )}
      </div>
      <ScatterPlot
        input={input}
        height={height}
        label={`${input.y.label} against ${input.x.label}`}
        highlighted={highlighted}
        selected={selected}
        onOpen={onOpen}
        tooltip={tooltip}
        describe={describe}
      />
    </Panel>
  );
}

function Row({ title, text }: { readonly title: string; readonly text: string }): JSX.Element {
  return (
    <>
      <dt>{title}</dt>
      <dd>{text}</dd>
    </>
  );
}

interface AxisControlsProps {
  readonly axes: Axes;
  readonly names: readonly string[];
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly compact: boolean;
}

function AxisControls({ axes, names, registry, compact }: AxisControlsProps): JSX.Element {
  const id = useId();
  const options = names.map((name) => (
    <option key={name} value={name}>
      {metricOf(name, registry).title}
    </option>
  ));
  const axis = (name: "x" | "y"): JSX.Element => {
    const [metric, kind] = name === "x" ? [axes.x, axes.xKind] : [axes.y, axes.yKind];
    const other = kind === "log" ? "linear" : "log";
    return (
      <span class={css.axis}>
        <label for={`${id}-${name}`}>{name}</label>
        <select
          id={`${id}-${name}`}
          aria-label={`${name} axis`}
          class={css.select}
          value={metric}
          onChange={({ currentTarget: { value } }) => setView(name === "x" ? { x: value, xKind: null } : { y: value, yKind: null })}
        >
          {options}
        </select>
        {!compact && (
          <button
            type="button"
            class={css.toggle}
            aria-pressed={kind === "log"}
            aria-label={`${name} axis logarithmic`}
            onClick={() => setView(name === "x" ? { xKind: other } : { yKind: other })}
          >
            log
          </button>
        )}
      </span>
    );
  };
  return (
    <div class={classes(css.axes, compact && css.compact)} role="group" aria-label="Axes">
      {axis("x")}
      {axis("y")}
      {!compact && (
        <span class={css.axis}>
          <label for={`${id}-c`}>colour</label>
          <select id={`${id}-c`} aria-label="Colour" class={css.select} value={axes.colour} onChange={(event) => setView({ colour: event.currentTarget.value })}>
            <option value="">none</option>
            {options}
          </select>
        </span>
      )}
    </div>
  );
}
