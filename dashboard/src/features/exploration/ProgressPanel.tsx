/** How the front grew: hypervolume against evaluations and against time. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { SearchRecord } from "../../domain/documents";
import type { HistoryPoint } from "../../domain/live";
import { formatDuration, formatLargeCount, formatNumber } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { LinePlot } from "../../plots/LinePlot";
import { Blank, Panel } from "../../ui/basics";
import css from "./exploration.module.css";

interface ProgressPanelProps {
  readonly history: readonly HistoryPoint[];
  readonly finished: boolean;
  readonly record: SearchRecord | null;
}

/** What the line comes to, for those who hear the chart. */
function lastText(values: readonly (number | null)[]): string {
  const last = values.findLast((value) => value !== null);
  return last == null ? "no value" : `${formatNumber(last)} at the end`;
}

type Against = "evaluations" | "seconds";

export function ProgressPanel({ history, finished, record }: ProgressPanelProps): JSX.Element {
  const exact = record?.exact_hypervolume ?? null;
  // Where no design is ever better than the reference point in every objective, there is no volume to draw.
  const isFlat = history.every((point) => point.hypervolume === null);
  const [against, setAgainst] = useState<Against>("evaluations");
  const [asked, setWithFront] = useState<boolean | null>(null);
  const withFront = asked ?? isFlat;
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
  // Points above one another make no line.
  if (new Set(history.map((point) => point.evaluations)).size < 2) {
    return (
      <Panel title="Progress">
        <Blank title={!finished ? "No progress yet" : record?.exact === true ? "An exact front appears at once" : "This search has no history"}>
          <p>
            {!finished
              ? "The line starts with the second front."
              : record === null
                ? "The search ended without a result."
                : record.exact
                  ? "An exact search prices the stages and merges them at its end: there is no line to draw. The record and the proof below say how it got there."
                  : "It ended before it could say twice how far it was."}
          </p>
        </Blank>
      </Panel>
    );
  }
  return (
    <ChartPanel
      title={withFront ? "Front size" : "Hypervolume"}
      file="progress"
      note={`against ${against === "seconds" ? "time" : "evaluations"}; ${withFront ? "it shrinks where one design takes the place of several" : "higher is better"}`}
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
      {isFlat && (
        <p class={css.textNote}>
          There is no hypervolume to draw: no design {finished ? "was" : "is"} better than the reference point, the worst of the exact front, in every objective{finished ? "" : " yet"}. The size of the front is shown instead.
        </p>
      )}
      <LinePlot
        x={x}
        lines={lines}
        xLabel={against === "seconds" ? "time (s)" : "evaluations"}
        yLabel={withFront ? "designs" : "hypervolume"}
        isCount={withFront}
        format={(value) => (withFront ? formatLargeCount(value) : formatNumber(value))}
        formatX={(value) => (against === "seconds" ? formatDuration(value) : formatLargeCount(value))}
        label={`${withFront ? "Front size" : "Hypervolume"} against ${against}: ${lastText(lines[0]!.values)}`}
      />
    </ChartPanel>
  );
}
