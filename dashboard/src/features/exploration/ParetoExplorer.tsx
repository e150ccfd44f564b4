/** The scatter of any two metrics with everything that was priced behind the front, its controls and its legend. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Columns } from "../../domain/columns";
import { FIT_TITLES, ruleTitle } from "../../domain/limits";
import { formatMetric, type MetricInfo, metricScale, shortTitle } from "../../domain/metrics";
import { metricOf } from "../../domain/registry";
import type { Table } from "../../domain/table";
import { formatCount } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { OUTSIDE, toUnit } from "../../plots/cloud/points";
import { beyondAxes, notNegative } from "../../plots/cloud/beyond";
import { around, isWhole, WHOLE, type Window } from "../../plots/cloud/window";
import { type Column, colourScaleOf, scatterSpans } from "../../plots/scatter";
import type { Ring } from "../../plots/scatterLayers";
import type { Target } from "../../plots/scatterPointer";
import { ScatterPlot, type ScatterPlotInput } from "../../plots/ScatterPlot";
import { type Axes, DENSITY } from "../../state/axes";
import type { Reference } from "../../state/references";
import { route, setView } from "../../state/router";
import { Panel } from "../../ui/basics";
import { AxisControls } from "./AxisControls";
import { useCloudView } from "./cloudLayer";
import { ExplorerLegend } from "./ExplorerLegend";
import { PlotTools } from "./PlotTools";
import css from "./exploration.module.css";

interface ParetoExplorerProps {
  readonly axes: Axes | null;
  readonly columns: Columns;
  readonly registry: ReadonlyMap<string, MetricInfo>;
  readonly objectives: readonly string[];
  readonly references: readonly Reference[];
  /** The search still runs: points are objective vectors without a design behind them. */
  readonly live: boolean;
  /** Every priced design, or a sample of them. */
  readonly cloud?: Table | null;
  readonly cloudMask?: Uint8Array | null;
  readonly frontMask?: Uint8Array | null;
  /** 1 for designs of the front with a limit within the error band of its estimate. */
  readonly undecided?: Uint8Array | null;
  readonly knees?: readonly number[];
  readonly rings?: readonly Ring[];
  readonly highlighted?: number;
  readonly selected?: number;
  readonly height?: number;
  /** Beside something else: no notes, no tools, the axes below the title. */
  readonly compact?: boolean;
  readonly title?: string;
  readonly note?: string | undefined;
  /** What to show where there is no point. */
  readonly empty: ComponentChildren;
  readonly keyOf: (index: number) => string;
  readonly onOpen?: ((index: number) => void) | undefined;
  readonly onOpenRow?: ((row: number) => void) | undefined;
  /** The user looks closer: zooms, drags or draws a lasso. */
  readonly onExplore?: () => void;
}

const NOTHING_BEYOND = { count: 0, everything: WHOLE };

export function plotColumn(name: string, columns: Columns, registry: ReadonlyMap<string, MetricInfo>): Column {
  const metric = metricOf(name, registry);
  const values = columns.get(name) ?? new Float64Array();
  const scale = metricScale(metric, values);
  return { values, label: metric.title, unit: scale.unit, factor: scale.factor, sense: metric.sense };
}

export function ParetoExplorer(props: ParetoExplorerProps): JSX.Element {
  const { axes, columns, registry, references, live, cloud = null, cloudMask = null, compact = false, empty, onOpen, onExplore } = props;
  const title = props.title ?? (live ? "Pareto front, filling in" : "Pareto front");
  const { selection, feasibleOnly } = route.value.view;
  const [window, setWindow] = useState(WHOLE);
  const [lassoTool, setLassoTool] = useState(false);
  const axesKey = axes === null ? "" : [axes.x, axes.y, axes.xKind, axes.yKind].join();
  useEffect(() => setWindow(WHOLE), [axesKey]);

  const view = useCloudView(cloud, axes, columns, cloudMask, feasibleOnly);
  const input = useMemo(() => {
    if (axes === null) return null;
    const colour = axes.colour === "" || axes.colour === DENSITY ? null : plotColumn(axes.colour, columns, registry);
    return {
      x: plotColumn(axes.x, columns, registry),
      y: plotColumn(axes.y, columns, registry),
      colour,
      colourScale: colour === null ? null : (view?.colourScale ?? colourScaleOf(colour.values)),
      size: axes.size === "" ? null : plotColumn(axes.size, columns, registry),
      xKind: axes.xKind,
      yKind: axes.yKind,
      ...(view === null ? {} : { xAlso: view.xAlso, yAlso: view.yAlso }),
      references: references.flatMap((reference) => {
        const [x, y] = [reference.metrics[axes.x], reference.metrics[axes.y]];
        return x == null || y == null ? [] : [{ label: reference.title, x, y }];
      }),
    };
  }, [axes, columns, registry, references, view]);

  const spans = useMemo(() => (input === null ? null : scatterSpans(input)), [input]);
  const front = useMemo(() => (input === null ? null : frontWindow(input)), [input]);
  const layer = view?.layer ?? null;
  const beyond = useMemo(() => (layer === null || spans === null || feasibleOnly ? NOTHING_BEYOND : beyondAxes(layer.x, layer.y, spans)), [layer?.x, layer?.y, spans, feasibleOnly]);

  if (axes === null || input === null || input.x.values.length === 0) {
    return <Panel title={title}>{empty}</Panel>;
  }
  const explore = (): void => onExplore?.();
  const move = (next: Window): void => {
    explore();
    setWindow(spans === null ? next : notNegative(next, spans));
  };
  const hasLasso = selection.lasso !== null;
  const lassoHere = hasLasso && [selection.lasso!.x, selection.lasso!.y, selection.lasso!.xKind, selection.lasso!.yKind].join() === [axes.x, axes.y, axes.xKind, axes.yKind].join();
  return (
    <ChartPanel
      title={title}
      file="pareto-front"
      flush
      note={compact ? undefined : (props.note ?? `${formatCount(input.x.values.length)} designs`)}
      tools={
        <>
          <AxisControls axes={axes} names={[...columns.keys()]} registry={registry} compact={compact} hasCloud={cloud !== null} />
          {!compact && !live && (
            <PlotTools
              window={window}
              onWindow={move}
              lassoTool={lassoTool}
              onLassoTool={setLassoTool}
              hasCloud={cloud !== null}
              front={front}
              everything={beyond.everything}
            />
          )}
        </>
      }
    >
      <ExplorerLegend axes={axes} registry={registry} colourScale={input.colourScale} compact={compact} hasReferences={input.references.length > 0} hasCloud={view !== null} hasKnees={(props.knees ?? []).length > 0} hasUndecided={props.undecided != null} rings={props.rings ?? []} />
      {beyond.count > 0 && isWhole(window) && !compact && (
        <p class={css.beyond}>
          {formatCount(beyond.count)} infeasible {beyond.count === 1 ? "design lies" : "designs lie"} beyond these axes.
        </p>
      )}
      <ScatterPlot
        input={input}
        height={props.height ?? 420}
        label={`${input.y.label} against ${input.x.label}`}
        cloud={layer}
        highlighted={props.highlighted ?? -1}
        selected={props.selected ?? -1}
        mask={props.frontMask ?? null}
        hollow={props.undecided ?? null}
        {...(props.knees === undefined ? {} : { knees: props.knees })}
        {...(props.rings === undefined ? {} : { rings: props.rings })}
        lasso={lassoHere ? selection.lasso : null}
        lassoTool={lassoTool}
        window={window}
        everything={beyond.everything}
        {...(compact || live
          ? {}
          : {
              onWindow: move,
              onLasso: (polygon) => {
                explore();
                setLassoTool(false);
                setView({ selection: { ...selection, lasso: { x: axes.x, y: axes.y, xKind: axes.xKind, yKind: axes.yKind, polygon } } });
              },
            })}
        onOpen={onOpen}
        onOpenRow={props.onOpenRow}
        tooltip={(target) => <TargetTip {...props} axes={axes} target={target} cloud={cloud} />}
        describe={(index) => describe(props, axes, index)}
      />
    </ChartPanel>
  );
}

/** Where the designs of the front lie on the axes. */
function frontWindow(input: ScatterPlotInput): Window | null {
  const spans = scatterSpans(input);
  if (spans === null) return null;
  const [x, y] = [toUnit(spans.x), toUnit(spans.y)];
  const places = Array.from(input.x.values, (value, i) => [x(value), y(input.y.values[i]!)] as const).filter(([px, py]) => Number.isFinite(px) && Number.isFinite(py) && px > OUTSIDE && py > OUTSIDE);
  return places.length === 0 ? null : around(places.map(([px]) => px), places.map(([, py]) => py));
}

type TipProps = Pick<ParetoExplorerProps, "undecided" | "columns" | "registry" | "objectives" | "live" | "keyOf" | "onOpen" | "onOpenRow">;

function shownNames({ objectives, columns }: TipProps, axes: Axes): string[] {
  return [...new Set([axes.x, axes.y, axes.colour, axes.size, ...objectives])].filter((name) => columns.has(name));
}

function describe(props: TipProps, axes: Axes, index: number): string {
  const texts = shownNames(props, axes).map((name) => {
    const metric = metricOf(name, props.registry);
    return `${metric.title} ${formatMetric(metric, props.columns.get(name)![index])}`;
  });
  return `${props.live ? "Point" : `Design ${index}`}: ${texts.join(", ")}${props.undecided?.[index] === 1 ? `; ${FIT_TITLES.within_band}` : ""}`;
}

/** What is known of the design under the pointer; of a row of the cloud also which rule it breaks. */
function TargetTip({ target, cloud, axes, ...props }: TipProps & { readonly target: Target; readonly cloud: Table | null; readonly axes: Axes }): JSX.Element {
  const isRow = target.kind === "row";
  const valueOf = (name: string): number | null => (isRow ? cloud?.numbers(name)?.[target.row] : props.columns.get(name)?.[target.index]) ?? null;
  const violated = isRow ? (cloud?.nameAt("violated", target.row) ?? null) : null;
  const isFeasible = !isRow || cloud?.numbers("feasible")?.[target.row] !== 0;
  const names = shownNames(props, axes).filter((name) => !isRow || cloud?.has(name) === true);
  return (
    <>
      <p class={css.tipTitle}>{isRow ? (isFeasible ? "Dominated design" : "Infeasible design") : props.live ? "On the front so far" : `Design #${target.index}`}</p>
      {!isRow && props.undecided?.[target.index] === 1 && <p class={css.tipHint}>{FIT_TITLES.within_band}</p>}
      {!isFeasible && <p class={css.tipRule}>breaks {violated === null ? "a rule" : ruleTitle(violated)}</p>}
      <dl class={css.tip}>
        {names.map((name) => {
          const metric = metricOf(name, props.registry);
          const value = valueOf(name);
          return <Row key={name} title={shortTitle(metric)} text={formatMetric(metric, value === null || Number.isNaN(value) ? null : value)} />;
        })}
      </dl>
      {isRow && props.onOpenRow !== undefined && <p class={css.tipHint}>click to open</p>}
      {!isRow && !props.live && props.onOpen !== undefined && <p class={css.tipHint}>{props.keyOf(target.index)} · click to open</p>}
    </>
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
