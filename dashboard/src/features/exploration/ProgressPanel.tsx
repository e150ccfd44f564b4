/** How the front grew: hypervolume against evaluations and against time. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { HistoryPoint } from "../../domain/live";
import { formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { LinePlot } from "../../plots/LinePlot";
import { Blank, Panel } from "../../ui/basics";
import css from "./exploration.module.css";

interface ProgressPanelProps {
  readonly history: readonly HistoryPoint[];
  readonly finished: boolean;
  /** Hypervolume of the exact front, where it is known. */
  readonly exact: number | null;
}

type Against = "evaluations" | "seconds";

export function ProgressPanel({ history, finished, exact }: ProgressPanelProps): JSX.Element {
  const [against, setAgainst] = useState<Against>("evaluations");
  const [withFront, setWithFront] = useState(false);
  const points = useMemo(() => history.filter((point) => (against === "seconds" ? point.seconds !== null : true)), [history, against]);
  const x = useMemo(() => points.map((point) => (against === "seconds" ? point.seconds! : point.evaluations)), [points, against]);
  const lines = useMemo(
    () =>
      withFront
        ? [{ label: "designs on the front", values: points.map((point) => point.frontSize) }]
        : [
            { label: "hypervolume", values: points.map((point) => point.hypervolume) },
            ...(exact === null ? [] : [{ label: "of the exact front", values: points.map(() => exact) }]),
          ],
    [points, withFront, exact],
  );
  if (history.length === 0) {
    return (
      <Panel title="Progress">
        <Blank title={finished ? "This search has no history" : "No progress yet"}>
          <p>
            {finished
              ? "An exact search merges the stages at its end: its front does not grow step by step. The record below says what was proven."
              : "The line starts with the first front."}
          </p>
        </Blank>
      </Panel>
    );
  }
  return (
    <ChartPanel
      title={withFront ? "Front size" : "Hypervolume"}
      file="progress"
      note={`against ${against === "seconds" ? "time" : "evaluations"}; higher is better`}
      tools={
        <div class={css.axes} role="group" aria-label="What the chart shows">
          <button type="button" class={css.toggle} aria-pressed={withFront} onClick={() => setWithFront(!withFront)}>
            Front size
          </button>
          <button
            type="button"
            class={css.toggle}
            aria-pressed={against === "seconds"}
            disabled={history.every((point) => point.seconds === null)}
            onClick={() => setAgainst(against === "seconds" ? "evaluations" : "seconds")}
          >
            Against time
          </button>
        </div>
      }
    >
      <LinePlot
        x={x}
        lines={lines}
        xLabel={against === "seconds" ? "time (s)" : "evaluations"}
        yLabel={withFront ? "designs" : "hypervolume"}
        format={(value) => (withFront ? formatLargeCount(value) : formatNumber(value))}
        formatX={(value) => (against === "seconds" ? formatDuration(value) : formatLargeCount(value))}
        label={`${withFront ? "Front size" : "Hypervolume"} against ${against}: ${formatNumber(lines[0]!.values.at(-1) ?? Number.NaN)} at the end`}
      />
    </ChartPanel>
  );
}
