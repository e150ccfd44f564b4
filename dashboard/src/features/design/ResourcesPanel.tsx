/** How full the card is with each of the two bitstreams. */
import type { JSX } from "preact";
import type { CostReport, Stage } from "../../domain/documents";
import { RESOURCES } from "../../domain/design";
import { formatCount, formatFixed, formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import css from "./design.module.css";

export function ResourcesPanel({ report }: { readonly report: CostReport }): JSX.Element {
  return (
    <ChartPanel title="Resources" file="resources" provenance={report.provenance} note="share of the whole card, shell included; kernel count beside it">
      <div class={css.inner}>
        <StageResources report={report} stage="prefill" title="Prefill bitstream" />
        <StageResources report={report} stage="decode" title="Decode bitstream" />
      </div>
    </ChartPanel>
  );
}

interface StageResourcesProps {
  readonly report: CostReport;
  readonly stage: Stage;
  readonly title: string;
}

function StageResources({ report, stage, title }: StageResourcesProps): JSX.Element {
  const { utilization, resources } = report[stage];
  return (
    <div class={css.stage}>
      <h3>{title}</h3>
      <div class={css.util}>
        <span />
        <span />
        <span class={css.note}>card</span>
        <span class={css.note}>kernel</span>
        {RESOURCES.map(({ key, title: name }) => {
          const share = utilization[key];
          return [
            <span key={`${key}-name`}>{name}</span>,
            <span
              key={`${key}-bar`}
              class={css.track}
              role="meter"
              aria-label={`${title}: ${name}`}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(Math.min(share, 1) * 1000) / 10}
              aria-valuetext={formatQuantity(share, "1", "fraction")}
            >
              <span class={css.fill} data-over={share > 1} style={{ width: `${Math.min(share, 1) * 100}%` }} />
            </span>,
            <span key={`${key}-share`}>{formatFixed(share * 100, 1)} %</span>,
            <span key={`${key}-count`}>{formatCount(resources[key])}</span>,
          ];
        })}
      </div>
    </div>
  );
}
