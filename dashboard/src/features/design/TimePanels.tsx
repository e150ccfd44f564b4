/** Where the time of a request goes, and within a stage, module by module. */
import type { JSX } from "preact";
import type { Bound, CostReport, Stage } from "../../domain/documents";
import { BOUND_TITLES, percent, requestTimeline, stageBreakdown } from "../../domain/design";
import { formatCount, formatFixed, formatQuantity, unitScale } from "../../domain/units";
import { StackedBar } from "../../plots/StackedBar";
import { Num, Panel } from "../../ui/basics";
import css from "./design.module.css";

/** Decimals that give the largest of a column four digits. */
function decimalsFor(largest: number): number {
  return largest > 0 ? Math.min(4, Math.max(0, 3 - Math.floor(Math.log10(largest)))) : 0;
}

export function RequestTimePanel({ report }: { readonly report: CostReport }): JSX.Element {
  const slices = requestTimeline(report).filter((slice) => slice.seconds > 0);
  const total = report.e2e_latency_s;
  return (
    <Panel title="Time of one request" note={`${formatQuantity(total, "s")} end to end, first token after ${formatQuantity(report.ttft_s, "s")}`}>
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
    </Panel>
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
    <Panel title={title} note={`bound by ${report[stage].bound_by}`}>
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
        <table class={css.table} aria-label={title}>
          <thead>
            <tr>
              <th scope="col">Module</th>
              <th scope="col" class={css.right}>
                Time ({scale.unit})
              </th>
              <th scope="col" class={css.right}>
                Share
              </th>
              <th scope="col" class={css.shareCell}>
                <span class="visually-hidden">Bar</span>
              </th>
              <th scope="col">Bound by</th>
              <th scope="col" class={css.right}>
                DSP
              </th>
            </tr>
          </thead>
          <tbody>
            {modules.map((module) => (
              <tr key={module.module} title={`${formatCount(module.cycles)} cycles on the critical path, busy ${formatCount(module.busy_cycles)}; ${module.source}`}>
                <th scope="row">{module.module}</th>
                <td class={css.right}>{formatFixed(module.seconds * scale.factor, decimals)}</td>
                <td class={css.right}>{percent(module.share)}</td>
                <td class={css.shareCell}>
                  <span class={css.shareBar} style={{ width: `${(module.share / largest) * 100}%`, background: `var(--bound-${module.bound_by})` }} />
                </td>
                <td>
                  <BoundLabel bound={module.bound_by} />
                </td>
                <td class={css.right}>{module.dsp === null ? "" : formatCount(module.dsp)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
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
