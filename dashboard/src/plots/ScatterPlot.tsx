/** Draws a ScatterFigure: a cloud and the front over it, with mouse, wheel, lasso and keyboard. */
import type { ComponentChildren, JSX } from "preact";
import { useId, useMemo, useState } from "preact/hooks";
import type { Lasso } from "../domain/lasso";
import { useWidth } from "../ui/basics";
import { type CloudLayer, useCloud } from "./cloud/useCloud";
import { CloudCanvas } from "./cloud/CloudCanvas";
import { WHOLE, type Window } from "./cloud/window";
import { neighbour, scatterFigure, type ScatterInput, scatterSpans } from "./scatter";
import { Frame, FrontLine, LassoPath, Marks, Points, References, type Ring, Tooltip } from "./scatterLayers";
import { type Target, useScatterPointer } from "./scatterPointer";
import css from "./plots.module.css";

export type ScatterPlotInput = Omit<ScatterInput, "width" | "height" | "window">;

export interface ScatterPlotProps {
  readonly input: ScatterPlotInput;
  readonly height: number;
  readonly label: string;
  /** What lies behind the front. */
  readonly cloud?: CloudLayer | null;
  /** A point that is pointed at elsewhere, in the table. */
  readonly highlighted?: number;
  /** The design that the page shows. */
  readonly selected?: number;
  readonly knees?: readonly number[];
  readonly rings?: readonly Ring[];
  /** 1 for designs of the front that are selected; null where nothing is. */
  readonly mask?: Uint8Array | null;
  /** 1 for designs of the front that are drawn hollow; null where none is. */
  readonly hollow?: Uint8Array | null;
  /** The lasso in force, where it was drawn on these axes. */
  readonly lasso?: Lasso | null;
  /** Dragging draws a lasso, not only with the shift key held. */
  readonly lassoTool?: boolean;
  readonly window?: Window;
  /** What "0" shows: more than the axes span where designs lie beyond them. */
  readonly everything?: Window;
  /** Without these the plot stands still. */
  readonly onWindow?: (window: Window) => void;
  readonly onLasso?: (polygon: Lasso["polygon"]) => void;
  /** Without it, points cannot be opened (the search still runs). */
  readonly onOpen?: ((index: number) => void) | undefined;
  /** A row of the cloud was clicked. */
  readonly onOpenRow?: ((row: number) => void) | undefined;
  readonly tooltip: (target: Target) => ComponentChildren;
  readonly describe: (index: number) => string;
}

const NO_RINGS: readonly Ring[] = [];
const NO_KNEES: readonly number[] = [];

export function ScatterPlot(props: ScatterPlotProps): JSX.Element {
  const { input, height, label, cloud = null, highlighted = -1, selected = -1, mask = null, lasso = null, window: view = WHOLE, onOpen } = props;
  const [box, width] = useWidth<HTMLDivElement>();
  const [hovered, setHovered] = useState<Target | null>(null);
  const [byKeyboard, setByKeyboard] = useState(false);
  const help = useId();
  const spans = useMemo(() => scatterSpans(input), [input]);
  const figure = useMemo(() => (width > 0 ? scatterFigure({ ...input, width, height, window: view }, spans) : null), [input, spans, width, height, view]);
  const drawn = useCloud(cloud, spans);

  const count = input.x.values.length;
  const placeOf = (target: Target | null): readonly [number, number] | null => {
    if (target === null || figure === null) return null;
    if (target.kind === "design") {
      const [x, y] = [figure.px[target.index], figure.py[target.index]];
      return x === undefined || y === undefined || Number.isNaN(x) ? null : [x, y];
    }
    if (cloud === null) return null;
    return [figure.xScale.toPixel(cloud.x[target.row]!), figure.yScale.toPixel(cloud.y[target.row]!)];
  };
  const place = placeOf(hovered);
  const shown = place !== null && hovered?.kind === "design" ? hovered.index : -1;

  const pointer = useScatterPointer({
    figure,
    view,
    everything: props.everything ?? WHOLE,
    grid: drawn?.grid ?? null,
    isFeasible: cloud?.isFeasible ?? null,
    lassoTool: props.lassoTool ?? false,
    onHover: (target) => {
      setHovered(target);
      setByKeyboard(false);
    },
    onClick: (target) => (target.kind === "design" ? onOpen?.(target.index) : props.onOpenRow?.(target.row)),
    onWindow: props.onWindow,
    onLasso: props.onLasso,
  });

  const keyDown = (event: KeyboardEvent): void => {
    if (figure === null || event.altKey || event.ctrlKey || event.metaKey) return;
    if (pointer.key(event)) return event.preventDefault();
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const stepTo = (from: number, direction: 1 | -1): void => {
      const index = neighbour(figure, from, direction);
      setHovered(index < 0 ? null : { kind: "design", index });
      setByKeyboard(true);
    };
    if (step !== undefined) stepTo(shown >= 0 ? shown : selected, step as 1 | -1);
    else if (event.key === "Home" || event.key === "End") stepTo(-1, event.key === "Home" ? 1 : -1);
    else if (event.key === "Enter" && shown >= 0) onOpen?.(shown);
    else if (event.key === "Escape") setHovered(null);
    else return;
    event.preventDefault();
  };

  const lassoPath = figure === null || lasso === null ? null : lasso.polygon.map(([x, y]) => [figure.xScale.toPixel(x), figure.yScale.toPixel(y)] as const);
  return (
    <div
      ref={box as { current: HTMLDivElement | null }}
      class={css.scatter}
      style={{ height: `${height}px` }}
      data-cursor={pointer.cursor ?? (place !== null && (shown >= 0 ? onOpen : props.onOpenRow) !== undefined ? "pointer" : "default")}
      role="application"
      aria-roledescription="scatter plot"
      aria-label={label}
      aria-describedby={help}
      data-points={count}
      data-window={`${view.x0},${view.x1},${view.y0},${view.y1}`}
      tabIndex={0}
      onKeyDown={keyDown}
      {...pointer.handlers}
      onBlur={() => setHovered(null)}
    >
      <span id={help} class="visually-hidden">
        {count} designs on the front{cloud === null ? "" : `, ${cloud.x.length} behind it`}. Arrow keys step through the front from left to right
        {onOpen === undefined ? "" : ", Enter opens the design"}
        {props.onWindow === undefined ? "" : ", plus and minus zoom, shift with arrows moves the view, zero shows everything"}. The table has the same data.
      </span>
      {figure === null ? (
        width > 0 && <p class={css.nothing}>No point has both metrics on these axes.</p>
      ) : (
        <>
          <Frame figure={figure} input={input} width={width} height={height} />
          {drawn !== null && cloud !== null && (
            <CloudCanvas points={drawn.points} tones={drawn.tones} flags={drawn.flags} hasSelection={cloud.hasSelection} window={view} plot={figure.plot} />
          )}
          <References figure={figure} width={width} height={height} />
          <FrontLine figure={figure} width={width} height={height} />
          <Points figure={figure} width={width} height={height} mask={mask} hollow={props.hollow ?? null} />
          <Marks
            figure={figure}
            width={width}
            height={height}
            hovered={place ?? placeOf(highlighted >= 0 && highlighted < count ? { kind: "design", index: highlighted } : null)}
            selected={selected}
            knees={props.knees ?? NO_KNEES}
            rings={props.rings ?? NO_RINGS}
          />
          {lassoPath !== null && pointer.path === null && <LassoPath width={width} height={height} path={lassoPath} />}
          {pointer.path !== null && <LassoPath width={width} height={height} path={pointer.path} open />}
          {figure.hidden > 0 && <p class={css.hiddenNote}>{figure.hidden} points have no value on these axes</p>}
          {place !== null && hovered !== null && (
            <Tooltip x={place[0]} y={place[1]} width={width}>
              {props.tooltip(hovered)}
            </Tooltip>
          )}
        </>
      )}
      <span class="visually-hidden" aria-live="polite">
        {byKeyboard && shown >= 0 ? props.describe(shown) : ""}
      </span>
    </div>
  );
}
