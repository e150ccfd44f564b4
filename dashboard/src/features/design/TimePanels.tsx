/** Where the time of a request goes, and within a stage, module by module. */
import type { JSX } from "preact";
import type { Bound, CostReport, Stage } from "../../domain/documents";
import { BOUND_TITLES, overlapText, percent, requestTimeline, stageBreakdown } from "../../domain/design";
import { formatCount, formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StackedBar } from "../../plots/StackedBar";
import { Missing, Num } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./design.module.css";

export function RequestTimePanel({ report }: { readonly report: CostReport }): JSX.Element {
  const slices = requestTimeline(report).filter((slice) => slice.seconds > 0);
  const total = report.e2e_latency_s;
  return (
    <ChartPanel title="Time of one request" file="request-time" provenance={report.provenance} note={`${formatQuantity(total, "s")} end to end, first token after ${formatQuantity(report.ttft_s, "s")}`}>
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
  const cycleS = 1 / (breakdown.clockMhz * 1e6);
  return (
    <ChartPanel title={title} file={`${stage}-time-per-module`} provenance={report.provenance} note={`bound by ${report[stage].bound_by}`}>
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
        <DataTable label={title} inset heads={["Module", ...numericHeads("Critical path"), "Bound by", ...numericHeads("Busy", "DSP")]}>
          <tbody>
            {modules.map((module) => (
              <tr key={module.module}>
                <th scope="row">{module.module}</th>
                <NumericCell>
                  {formatQuantity(module.seconds, "s")} <small>{percent(module.share)}</small>
                </NumericCell>
                <td>
                  <BoundLabel bound={module.bound_by} />
                </td>
                <NumericCell>
                  {formatQuantity(module.busy_cycles * cycleS, "s")} <small>{breakdown.cycles > 0 ? percent(module.busy_cycles / breakdown.cycles) : ""}</small>
                </NumericCell>
                <NumericCell>{module.dsp === null ? <Missing reason={module.dsp_in == null ? "not counted apart" : `computed on the array of ${module.dsp_in}`} /> : formatCount(module.dsp)}</NumericCell>
              </tr>
            ))}
          </tbody>
        </DataTable>
        <p class={css.note}>{overlapText(breakdown)}</p>
        <details class={css.sources}>
          <summary>Cycles of each module, and what they rest on</summary>
          <ul>
            {modules.map((module) => (
              <li key={module.module}>
                {module.module}: {formatCount(module.cycles)} on the critical path, busy {formatCount(module.busy_cycles)}; {module.source}
              </li>
            ))}
          </ul>
        </details>
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
