/** What lies beyond the axes of a scatter, which span what can be built: infeasible designs may reach far further. */
import type { Numbers } from "../../domain/table";
import type { AxisSpan } from "./points";
import { toUnit } from "./points";
import { WHOLE, type Window } from "./window";

export interface Spans {
  readonly x: AxisSpan;
  readonly y: AxisSpan;
}

export interface Beyond {
  /** Rows of the cloud that the axes could show and that lie outside of them. */
  readonly count: number;
  /** The part of the plane that has all of them too. */
  readonly everything: Window;
}

const ROOM = 0.04;

export function beyondAxes(x: Numbers, y: Numbers, spans: Spans): Beyond {
  const [unitX, unitY] = [toUnit(spans.x), toUnit(spans.y)];
  let count = 0;
  let [x0, x1, y0, y1] = [0, 1, 0, 1];
  for (let row = 0; row < x.length; row += 1) {
    const [px, py] = [unitX(x[row]!), unitY(y[row]!)];
    if (!Number.isFinite(px) || !Number.isFinite(py) || (px >= 0 && px <= 1 && py >= 0 && py <= 1)) continue;
    count += 1;
    [x0, x1] = [Math.min(x0, px), Math.max(x1, px)];
    [y0, y1] = [Math.min(y0, py), Math.max(y1, py)];
  }
  if (count === 0) return { count, everything: WHOLE };
  const [roomX, roomY] = [(x1 - x0) * ROOM, (y1 - y0) * ROOM];
  const wide = { x0: x0 < 0 ? x0 - roomX : 0, x1: x1 > 1 ? x1 + roomX : 1, y0: y0 < 0 ? y0 - roomY : 0, y1: y1 > 1 ? y1 + roomY : 1 };
  return { count, everything: notNegative(wide, spans) };
}

/** Moved where a linear axis of what is never negative would go below 0. */
export function notNegative(window: Window, spans: Spans): Window {
  const [x0, x1] = fromZero(window.x0, window.x1, spans.x);
  const [y0, y1] = fromZero(window.y0, window.y1, spans.y);
  return { x0, x1, y0, y1 };
}

function fromZero(from: number, to: number, span: AxisSpan): readonly [number, number] {
  if (span.kind === "log" || span.domain[0] < 0) return [from, to];
  const zero = toUnit(span)(0);
  return from >= zero ? [from, to] : [zero, zero + (to - from)];
}
