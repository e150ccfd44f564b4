/** The eight figures that say how a search goes. */
import type { ComponentChildren, JSX } from "preact";
import { type KeyFigures, type Known, STAGE_DESIGNS } from "../../domain/exploration";
import type { HistoryPoint } from "../../domain/live";
import { formatCount, formatDuration, formatLargeCount, formatNumber, formatQuantity, unitScale } from "../../domain/units";
import { Sparkline } from "../../plots/Sparkline";
import { Missing } from "../../ui/basics";
import ui from "../../ui/ui.module.css";
import css from "./exploration.module.css";

interface KeyFigureStripProps {
  readonly figures: KeyFigures;
  readonly history: readonly HistoryPoint[];
}

export function KeyFigureStrip({ figures, history }: KeyFigureStripProps): JSX.Element {
  const { total, done } = figures;
  return (
    <div class={`${ui.panel} ${css.strip}`}>
      <dl class={css.figures} aria-label="Key figures">
        <Figure title="Evaluations" known={figures.evaluations} format={formatLargeCount} note={total !== null ? `of ${formatLargeCount(total)}` : figures.isComplete ? figures.evaluationsAre : "last heard"} />
        <Figure title="Rate" known={figures.rate} format={formatRate} note={figures.evaluationsAre === STAGE_DESIGNS ? "designs/s while pricing" : "designs/s"} />
        <Figure
          title="Legal designs"
          known={figures.legalDesigns}
          format={formatLargeCount}
          note={figures.differentDesigns === null ? "of the space" : `${formatLargeCount(figures.differentDesigns)} distinct`}
        />
        <Figure title="Feasible" known={figures.feasible} format={(share) => formatQuantity(share, "1", "fraction")} note={figures.isComplete ? "of those" : "of the evaluated"} />
        <Figure title="Front size" known={figures.frontSize} format={formatCount} note={figures.finished ? "designs" : "shown so far"} />
        {figures.hypervolume.value === null && figures.ownHypervolume !== null ? (
          <Figure title="Own hypervolume" known={{ value: figures.ownHypervolume }} format={(volume) => volume.toPrecision(4)} note={<span title={figures.hypervolume.reason}>for no comparison</span>} />
        ) : (
          <Figure
            title="Hypervolume"
            known={figures.hypervolume}
            format={(volume) => volume.toPrecision(4)}
            note={
              figures.hypervolumeRatio === null ? (
                <Sparkline points={history.flatMap((point) => (point.hypervolume === null ? [] : [{ x: point.evaluations, y: point.hypervolume }]))} label="Hypervolume against evaluations" />
              ) : (
                `${formatQuantity(figures.hypervolumeRatio, "1", "fraction")} of the exact`
              )
            }
          />
        )}
        <Figure title={figures.finished ? "Search time" : "Time left"} known={figures.seconds} format={formatDuration} note={figures.finished ? "of the search itself" : "estimate"} />
      </dl>
      {done !== null && !figures.finished && (
        <div class={css.progress} style={{ width: `${done * 100}%` }} role="progressbar" aria-label="Evaluated share" aria-valuenow={Math.round(done * 100)} />
      )}
    </div>
  );
}

/** 535 k, 1.2 M: the unit stands below. */
function formatRate(rate: number): string {
  const { factor, unit } = unitScale("", [rate], "si");
  return `${formatNumber(rate * factor, 3)} ${unit}`.trimEnd();
}

interface FigureProps<T> {
  readonly title: string;
  readonly known: Known<T>;
  readonly format: (value: T) => string;
  readonly note?: ComponentChildren;
}

function Figure<T>({ title, known, format, note = "" }: FigureProps<T>): JSX.Element {
  return (
    <div class={css.figure}>
      <dt>{title}</dt>
      <dd>
        {known.value === null ? <Missing reason={known.reason} /> : format(known.value)}
        <small>{known.value === null ? "" : note}</small>
      </dd>
    </div>
  );
}
