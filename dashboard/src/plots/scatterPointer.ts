/** Mouse, pen, wheel and keys over a scatter: what is pointed at, the view that is dragged, the lasso that is drawn. */
import { useRef, useState } from "preact/hooks";
import { type Lasso, simplified } from "../domain/lasso";
import { nearestRow, type PointGrid } from "./cloud/grid";
import { panned, type Window, zoomed } from "./cloud/window";
import { nearestPoint, type ScatterFigure } from "./scatter";

const HIT_RADIUS = 14;
const CLOUD_RADIUS = 7;
const CLICK_PX = 4;
const LASSO_TOLERANCE_PX = 1;
const ZOOM_STEP = 1.4;
const PAN_STEP = 0.12;

/** A design of the front, or a row of the cloud. */
export type Target = { readonly kind: "design"; readonly index: number } | { readonly kind: "row"; readonly row: number };

interface PointerInput {
  readonly figure: ScatterFigure | null;
  readonly view: Window;
  readonly everything: Window;
  readonly grid: (() => PointGrid) | null;
  readonly isFeasible: ((row: number) => boolean) | null;
  readonly lassoTool: boolean;
  readonly onHover: (target: Target | null) => void;
  readonly onClick: (target: Target) => void;
  readonly onWindow: ((window: Window) => void) | undefined;
  readonly onLasso: ((polygon: Lasso["polygon"]) => void) | undefined;
}

type Place = readonly [number, number];

interface Drag {
  readonly from: Place;
  readonly view: Window;
  readonly isLasso: boolean;
  moved: boolean;
  path: Place[];
}

export interface ScatterPointer {
  /** Corners of the lasso that is being drawn. */
  readonly path: readonly Place[] | null;
  readonly cursor: string | null;
  readonly handlers: Readonly<Record<"onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel" | "onPointerLeave", (event: PointerEvent) => void>> & {
    readonly onWheel: (event: WheelEvent) => void;
  };
  /** True where the key moved the view. */
  key(event: KeyboardEvent): boolean;
}

export function useScatterPointer(input: PointerInput): ScatterPointer {
  const { figure, view, everything, onWindow, onLasso } = input;
  const drag = useRef<Drag | null>(null);
  const [path, setPath] = useState<readonly Place[] | null>(null);
  const [isDragged, setDragged] = useState(false);

  const placeOf = (event: MouseEvent): Place => {
    const frame = (event.currentTarget as Element).getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };

  const targetAt = ([x, y]: Place): Target | null => {
    if (figure === null) return null;
    const index = nearestPoint(figure, x, y, HIT_RADIUS);
    if (index >= 0) return { kind: "design", index };
    if (input.grid === null) return null;
    const perX = (view.x1 - view.x0) / (figure.plot.right - figure.plot.left);
    const perY = (view.y1 - view.y0) / (figure.plot.bottom - figure.plot.top);
    const unitX = view.x0 + (x - figure.plot.left) * perX;
    const unitY = view.y0 + (figure.plot.bottom - y) * perY;
    const row = nearestRow(input.grid(), unitX, unitY, CLOUD_RADIUS * perX, CLOUD_RADIUS * perY, input.isFeasible ?? undefined);
    return row < 0 ? null : { kind: "row", row };
  };

  const zoomBy = (factor: number, at: Place | null): void => {
    if (figure === null || onWindow === undefined) return;
    const { left, right, top, bottom } = figure.plot;
    const [shareX, shareY] = at === null ? [0.5, 0.5] : [(at[0] - left) / (right - left), (bottom - at[1]) / (bottom - top)];
    onWindow(zoomed(view, factor, view.x0 + shareX * (view.x1 - view.x0), view.y0 + shareY * (view.y1 - view.y0)));
  };

  const end = (event: PointerEvent): void => {
    const ended = drag.current;
    drag.current = null;
    setDragged(false);
    setPath(null);
    if (ended === null || figure === null) return;
    if (!ended.moved) {
      const target = targetAt(placeOf(event));
      if (target !== null && event.type === "pointerup") input.onClick(target);
    } else if (ended.isLasso && ended.path.length > 2) {
      const corners = simplified(ended.path, LASSO_TOLERANCE_PX);
      if (corners.length > 2) onLasso?.(corners.map(([x, y]) => [figure.xScale.toValue(x), figure.yScale.toValue(y)] as const));
    }
  };

  return {
    path,
    cursor: input.lassoTool ? "crosshair" : isDragged ? "grabbing" : null,
    handlers: {
      onPointerDown(event) {
        if (event.button !== 0 || figure === null || onWindow === undefined) return;
        const at = placeOf(event);
        drag.current = { from: at, view, isLasso: onLasso !== undefined && (input.lassoTool || event.shiftKey), moved: false, path: [at] };
        (event.currentTarget as Element).setPointerCapture(event.pointerId);
      },
      onPointerMove(event) {
        const at = placeOf(event);
        const dragged = drag.current;
        if (dragged === null || figure === null) return input.onHover(targetAt(at));
        const [dx, dy] = [at[0] - dragged.from[0], at[1] - dragged.from[1]];
        if (!dragged.moved && Math.hypot(dx, dy) < CLICK_PX) return;
        if (!dragged.moved) {
          dragged.moved = true;
          setDragged(true);
          input.onHover(null);
        }
        if (dragged.isLasso) {
          dragged.path.push(at);
          setPath([...dragged.path]);
        } else {
          const { left, right, top, bottom } = figure.plot;
          onWindow?.(panned(dragged.view, -dx / (right - left), dy / (bottom - top), everything));
        }
      },
      onPointerUp(event) {
        if (drag.current === null) {
          const target = targetAt(placeOf(event));
          if (target !== null && event.button === 0) input.onClick(target);
        } else end(event);
      },
      onPointerCancel: end,
      onPointerLeave() {
        if (drag.current === null) input.onHover(null);
      },
      onWheel(event) {
        // The page scrolls as ever until the plot has the focus: a wheel that happens to pass over it zooms nothing.
        const isMeant = event.ctrlKey || event.metaKey || document.activeElement === event.currentTarget;
        if (onWindow === undefined || !isMeant) return;
        event.preventDefault();
        zoomBy(Math.exp(event.deltaY * 0.0015), placeOf(event));
      },
    },
    key(event) {
      if (onWindow === undefined) return false;
      const pan: Readonly<Record<string, Place>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const direction = pan[event.key];
      if (event.shiftKey && direction !== undefined) onWindow(panned(view, direction[0] * PAN_STEP, direction[1] * PAN_STEP, everything));
      else if (event.key === "+" || event.key === "=") zoomBy(1 / ZOOM_STEP, null);
      else if (event.key === "-") zoomBy(ZOOM_STEP, null);
      else if (event.key === "0") onWindow(everything);
      else return false;
      return true;
    },
  };
}
