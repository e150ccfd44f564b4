/** Both stages under their roofs: whether arrays or memory limit the linear layers, and how much of it is reached. */
import type { JSX } from "preact";
import type { CostReport, DesignPoint, Stage, Workload } from "../../domain/documents";
import { type StageRoof, stageRoof } from "../../domain/roofline";
import { percent, stageBreakdown } from "../../domain/design";
import { formatNumber, formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { type RooflineFigure, rooflineFigure } from "../../plots/roofline";
import type { OpenExploration } from "../../state/exploration";
import { Failure, Skeleton, useWidth } from "../../ui/basics";
import css from "./figures.module.css";

const HEIGHT = 300;
const TITLES = { prefill: "Prefill", decode: "Decode step" } as const;

interface RooflinePanelProps {
  readonly opened: OpenExploration;
  readonly report: CostReport;
  readonly design: DesignPoint;
  readonly workload: Workload;
}

export function RooflinePanel({ opened, report, design, workload }: RooflinePanelProps): JSX.Element {
  const model = opened.model();
  const { data, error } = model.state.value;
  return (
    <ChartPanel title="Roofline" file="roofline" provenance={report.provenance} note="linear layers, in multiply-accumulates. A roof is what all arrays, or all HBM ports together, could do at once: an upper bound, not what binds">
      {data === null ? (
        error === null ? (
          <Skeleton label="Loading the model" lines={6} />
        ) : (
          <Failure error={error} retry={() => void model.load()} />
        )
      ) : (
        <Roofs report={report} roofs={(["prefill", "decode"] as const).flatMap((stage) => stageRoof(report, design, data, workload, stage) ?? [])} />
      )}
    </ChartPanel>
  );
}

function Roofs({ roofs, report }: { readonly roofs: readonly StageRoof[]; readonly report: CostReport }): JSX.Element {
  const [box, width] = useWidth<HTMLDivElement>();
  const plot = { left: 52, right: Math.max(120, width - 10), top: 8, bottom: HEIGHT - 36 };
  const figure = rooflineFigure(roofs, plot);
  if (figure === null) return <p class={css.note}>No stage of this design reads HBM and computes, so there is no roofline.</p>;
  const described = figure.marks.map((mark) => `${TITLES[mark.stage]} reaches ${percent(mark.reached)} of its roof, that of ${mark.limit === "memory" ? "all ports together" : "all arrays together"}; it is bound by ${report[mark.stage].bound_by}`);
  return (
    <div ref={box as { current: HTMLDivElement | null }} class={css.column}>
      <svg width={width} height={HEIGHT} role="img" aria-label={`Roofline: ${described.join("; ")}`}>
        <Axes figure={figure} plot={plot} />
        {figure.marks.map((mark) => (
          <g key={mark.stage} style={{ color: `var(--slice-${mark.stage === "prefill" ? "prefill" : "first"})` }}>
            <path class={css.roof} data-stage={mark.stage} d={mark.path} />
            <line class={css.headroom} x1={mark.at[0]} x2={mark.at[0]} y1={mark.roofY} y2={mark.at[1]} />
            {mark.stage === "prefill" ? (
              <circle class={css.mark} cx={mark.at[0]} cy={mark.at[1]} r={5.5} />
            ) : (
              <rect class={css.mark} x={mark.at[0] - 5} y={mark.at[1] - 5} width={10} height={10} />
            )}
            <text class={css.markLabel} x={mark.at[0] + (mark.at[0] > (plot.left + plot.right) / 2 ? -10 : 10)} y={mark.at[1] + 18} text-anchor={mark.at[0] > (plot.left + plot.right) / 2 ? "end" : "start"}>
              {TITLES[mark.stage]}: {percent(mark.reached)}
            </text>
          </g>
        ))}
      </svg>
      <ul class={css.facts}>
        {roofs.map((roof, i) => (
          <li key={roof.stage}>
            <strong>{TITLES[roof.stage]}</strong> does {formatQuantity(roof.macsPerS, "MAC/s")} at {formatNumber(roof.macsPerByte, 3)} MAC/B. Together its arrays could do {formatQuantity(roof.peakMacsPerS, "MAC/s")} and
            its ports move {formatQuantity(roof.bytesPerS, "B/s")}; at this intensity the lower roof is that of the {figure.marks[i]!.limit === "memory" ? "ports" : "arrays"}, and {percent(figure.marks[i]!.reached)} of it is
            reached.{" "}
            {report[roof.stage].bound_by !== "" && <Gap stage={roof.stage} report={report} />}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Why a stage stays below its roof, and why what binds may be another thing than the roof above it. */
function Gap({ stage, report }: { readonly stage: Stage; readonly report: CostReport }): JSX.Element {
  const { byBound } = stageBreakdown(report, stage);
  const hbm = byBound.find(({ bound }) => bound === "hbm")?.share ?? 0;
  return (
    <>
      What binds it is {report[stage].bound_by}
      {hbm > 0.5 && <>: {percent(hbm)} of its time a module waits for its own ports</>}. The roofs add up all arrays and all ports; a module has only its own, while those of the others wait.
    </>
  );
}

function Axes({ figure, plot }: { readonly figure: RooflineFigure; readonly plot: { left: number; right: number; top: number; bottom: number } }): JSX.Element {
  return (
    <>
      {figure.xTicks.map((tick) => (
        <g key={`x${tick.value}`}>
          <line class={css.grid} x1={figure.x.toPixel(tick.value)} x2={figure.x.toPixel(tick.value)} y1={plot.top} y2={plot.bottom} />
          <text class={css.tick} x={figure.x.toPixel(tick.value)} y={plot.bottom + 14} text-anchor="middle">
            {tick.label}
          </text>
        </g>
      ))}
      {figure.yTicks.map((tick) => (
        <g key={`y${tick.value}`}>
          <line class={css.grid} x1={plot.left} x2={plot.right} y1={figure.y.toPixel(tick.value)} y2={figure.y.toPixel(tick.value)} />
          <text class={css.tick} x={plot.left - 6} y={figure.y.toPixel(tick.value) + 3.5} text-anchor="end">
            {tick.label}
          </text>
        </g>
      ))}
      <path class={css.axis} d={`M${plot.left} ${plot.top}V${plot.bottom}H${plot.right}`} />
      <text class={css.axisTitle} x={(plot.left + plot.right) / 2} y={HEIGHT - 5} text-anchor="middle">
        multiply-accumulates per byte of HBM traffic
      </text>
      <text class={css.axisTitle} x={11} y={(plot.top + plot.bottom) / 2} text-anchor="middle" transform={`rotate(-90 11 ${(plot.top + plot.bottom) / 2})`}>
        GMAC/s
      </text>
    </>
  );
}
