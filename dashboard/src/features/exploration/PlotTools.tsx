/** Buttons of the scatter: closer, further, everything, lasso, infeasible designs, nothing selected. */
import type { JSX } from "preact";
import { isEmpty, NO_SELECTION } from "../../domain/selection";
import { isSame, isWhole, WHOLE, type Window, zoomed } from "../../plots/cloud/window";
import { route, setView } from "../../state/router";
import css from "./exploration.module.css";

interface PlotToolsProps {
  readonly window: Window;
  readonly onWindow: (window: Window) => void;
  readonly lassoTool: boolean;
  readonly onLassoTool: (on: boolean) => void;
  readonly hasCloud: boolean;
  /** The part of the plane that the front takes; null where it takes none. */
  readonly front: Window | null;
  /** With the infeasible designs beyond the axes. */
  readonly everything: Window;
}

const STEP = 1.6;

export function PlotTools({ window, onWindow, lassoTool, onLassoTool, hasCloud, front, everything }: PlotToolsProps): JSX.Element {
  const { selection, feasibleOnly } = route.value.view;
  const middle = [(window.x0 + window.x1) / 2, (window.y0 + window.y1) / 2] as const;
  return (
    <div class={css.axes} role="group" aria-label="Tools of the scatter">
      <button type="button" class={css.toggle} aria-label="Zoom in" onClick={() => onWindow(zoomed(window, 1 / STEP, ...middle))}>
        +
      </button>
      <button type="button" class={css.toggle} aria-label="Zoom out" onClick={() => onWindow(zoomed(window, STEP, ...middle))}>
        −
      </button>
      <button type="button" class={css.toggle} disabled={isSame(window, everything)} onClick={() => onWindow(everything)}>
        Show all
      </button>
      {!isWhole(everything) && (
        <button type="button" class={css.toggle} disabled={isWhole(window)} title="The feasible designs and the marks" onClick={() => onWindow(WHOLE)}>
          Show feasible
        </button>
      )}
      {front !== null && (
        <button type="button" class={css.toggle} title="The front alone, with room around it" onClick={() => onWindow(front)}>
          Zoom to front
        </button>
      )}
      <button
        type="button"
        class={css.toggle}
        aria-pressed={lassoTool}
        title="Draw around designs to select them; with the shift key held, dragging does it too"
        onClick={() => onLassoTool(!lassoTool)}
      >
        Lasso
      </button>
      {hasCloud && (
        <button type="button" class={css.toggle} aria-pressed={!feasibleOnly} onClick={() => setView({ feasibleOnly: !feasibleOnly })}>
          Infeasible
        </button>
      )}
      {!isEmpty(selection) && (
        <button type="button" class={css.toggle} onClick={() => setView({ selection: NO_SELECTION })}>
          Clear selection
        </button>
      )}
    </div>
  );
}
