/** Where the time of a request goes, and within a stage, module by module. */
import type { JSX } from "preact";
import type { Bound, CostReport, Stage } from "../../domain/documents";
import { BOUND_TITLES, percent, requestTimeline, stageBreakdown } from "../../domain/design";
import { formatCount, formatFixed, formatQuantity, unitScale } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StackedBar } from "../../plots/StackedBar";
import { Missing, Num } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./design.module.css";

/** Decimals that give the largest of a column four digits. */
function decimalsFor(largest: number): number {
  return largest > 0 ? Math.min(4, Math.max(0, 3 - Math.floor(Math.log10(largest)))) : 0;
}

export function RequestTimePanel({ report }: { readonly report: CostReport }): JSX.Element {
  const slices = requestTimeline(report).filter((slice) => slice.seconds > 0);
  const total = report.e2e_latency_s;
  return (
    <ChartPanel title="Time of one request" file="request-time" note={`${formatQuantity(total, "s")} end to end, first token after ${formatQuantity(report.ttft_s, "s")}`}>
      <div class={css.stage}>
        <StackedBar
          label="Time of one request"
          parts={slices.map((slice) => ({
            key: slice.key,
            value: slice.seconds,
            title: slice.title,
            detail: `${formatQuantity(slice.seconds, "s")} (${percent(slice.seconds / total)})`,
            colour: `var(--slice-${slice.key})`,
            ink: `var(--slice-${slice.key}-ink)`,
          }))}
        />
        <ul class={css.keys}>
          {slices.map((slice) => (
            <li key={slice.key}>
              <span class={css.swatch} style={{ background: `var(--slice-${slice.key})` }} />
              {slice.title}
              <strong>{formatQuantity(slice.seconds, "s")}</strong>
              {percent(slice.seconds / total)}
            </li>
          ))}
        </ul>
      </div>
    </ChartPanel>
  );
}

export function StageTimePanel({ report, stage }: { readonly report: CostReport; readonly stage: Stage }): JSX.Element {
  const breakdown = stageBreakdown(report, stage);
  const { modules, byBound } = breakdown;
  const title = stage === "prefill" ? "Prefill: time per module" : "Decode step: time per module";
  const scale = unitScale("s", modules.map((module) => module.seconds));
  const decimals = decimalsFor((modules[0]?.seconds ?? 0) * scale.factor);
  const largest = modules[0]?.share ?? 1;
  return (
    <ChartPanel title={title} file={`${stage}-time-per-module`} note={`bound by ${report[stage].bound_by}`}>
      <div class={css.stage}>
        <div class={css.stageHead}>
          <strong>{formatQuantity(breakdown.seconds, "s")}</strong>
          <span>
            {formatCount(breakdown.cycles)} cycles at <Num value={breakdown.clockMhz} unit="MHz" />
          </span>
        </div>
        <StackedBar
          label={title}
          parts={modules.map((module) => ({
            key: module.module,
            value: module.cycles,
            title: module.module,
            detail: `${formatQuantity(module.seconds, "s")}, ${percent(module.share)}, bound by ${BOUND_TITLES[module.bound_by]}`,
            colour: `var(--bound-${module.bound_by})`,
            ink: `var(--bound-${module.bound_by}-ink)`,
          }))}
        />
        <ul class={css.keys} aria-label="Bound by">
          {byBound.map(({ bound, share }) => (
            <li key={bound}>
              <BoundLabel bound={bound} />
              {percent(share)}
            </li>
          ))}
        </ul>
        <DataTable label={title} inset heads={["Module", ...numericHeads(`Time (${scale.unit})`, "Share"), { title: "Bar", hidden: true }, "Bound by", ...numericHeads("DSP")]}>
          <tbody>
            {modules.map((module) => (
              <tr key={module.module} title={`${formatCount(module.cycles)} cycles on the critical path, busy ${formatCount(module.busy_cycles)}; ${module.source}`}>
                <th scope="row">{module.module}</th>
                <NumericCell>{formatFixed(module.seconds * scale.factor, decimals)}</NumericCell>
                <NumericCell>{percent(module.share)}</NumericCell>
                <td class={css.shareCell}>
                  <span class={css.shareBar} style={{ width: `${(module.share / largest) * 100}%`, background: `var(--bound-${module.bound_by})` }} />
                </td>
                <td>
                  <BoundLabel bound={module.bound_by} />
                </td>
                <NumericCell>{module.dsp === null ? <Missing reason={module.dsp_in == null ? "not counted apart" : `computed on the array of ${module.dsp_in}`} /> : formatCount(module.dsp)}</NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
      </div>
    </ChartPanel>
  );
}

function BoundLabel({ bound }: { readonly bound: Bound }): JSX.Element {
  return (
    <span class={css.bound}>
      <span class={css.swatch} style={{ background: `var(--bound-${bound})` }} aria-hidden="true" />
      {BOUND_TITLES[bound]}
    </span>
  );
}
