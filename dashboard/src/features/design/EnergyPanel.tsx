/** Where the energy of a request goes. */
import type { JSX } from "preact";
import { formatBand, percent } from "../../domain/design";
import type { CostReport } from "../../domain/documents";
import { type EnergySlice, energySplit } from "../../domain/energy";
import { formatQuantity } from "../../domain/units";
import { ChartPanel } from "../../plots/ChartPanel";
import { StackedBar } from "../../plots/StackedBar";
import { Missing } from "../../ui/basics";
import css from "./figures.module.css";

const COLOURS: Readonly<Record<string, string>> = { prefill: "slice-prefill", swap: "slice-swap", decode: "slice-decode", dynamic: "bound-hbm", idle: "bound-fill" };

export function EnergyPanel({ report }: { readonly report: CostReport }): JSX.Element {
  const split = energySplit(report);
  const band = report.error_band["energy_j"];
  return (
    <ChartPanel title="Energy of one request" file="energy" provenance={report.provenance} note={split === null ? undefined : `${formatQuantity(split.total, "J")} on the board, idle power included`}>
      {split === null ? (
        <p class={css.note}>
          <Missing reason={report.missing["energy_j"]} /> {report.missing["energy_j"] ?? "The energy of this card is not known."}
        </p>
      ) : (
        <div class={css.column}>
          <Split title="Energy by phase" slices={split.phases} total={split.total} />
          {split.kinds.length > 0 && <Split title="Energy by cause" slices={split.kinds} total={split.total} />}
          {band !== undefined && (
            <p class={css.note}>
              Error band {formatBand(band)}: {band.basis}
            </p>
          )}
        </div>
      )}
    </ChartPanel>
  );
}

function Split({ title, slices, total }: { readonly title: string; readonly slices: readonly EnergySlice[]; readonly total: number }): JSX.Element {
  return (
    <div class={css.column}>
      <StackedBar
        label={title}
        parts={slices.map((slice) => ({
          key: slice.key,
          value: slice.joules,
          title: slice.title,
          detail: `${formatQuantity(slice.joules, "J")} (${percent(slice.joules / total)})`,
          colour: `var(--${COLOURS[slice.key]!})`,
          ink: `var(--${COLOURS[slice.key]!}-ink)`,
        }))}
      />
      <ul class={css.keys} aria-label={title}>
        {slices.map((slice) => (
          <li key={slice.key}>
            <span class={css.swatch} style={{ background: `var(--${COLOURS[slice.key]!})` }} aria-hidden="true" />
            {slice.title}
            <strong>{formatQuantity(slice.joules, "J")}</strong>
            {percent(slice.joules / total)}
            {slice.watts !== null && ` at ${formatQuantity(slice.watts, "W")}`}
          </li>
        ))}
      </ul>
    </div>
  );
}
