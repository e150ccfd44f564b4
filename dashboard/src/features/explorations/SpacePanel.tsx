/** How large the space is and how long the search would take, before it is started. */
import type { JSX } from "preact";
import { estimateBasis } from "../../domain/exploration";
import { formatDuration, formatLargeCount } from "../../domain/units";
import { Panel } from "../../ui/basics";
import type { Validation } from "./validation";
import css from "./explorations.module.css";

export function SpacePanel({ checked, exact }: { readonly checked: Validation; readonly exact: boolean }): JSX.Element {
  const { estimate, checking } = checked;
  return (
    <Panel title="The space" note={checking ? "counting…" : undefined}>
      <div role="status" aria-label="Size of the space" aria-busy={checking}>
        {estimate === null ? (
          <p class={css.hint}>{checking ? "The server counts the designs." : "Counted as soon as the form is complete."}</p>
        ) : (
          <dl class={css.facts}>
            <dt>Legal designs</dt>
            <dd>{formatLargeCount(estimate.legal_designs)}</dd>
            <dt>Prefill × decode</dt>
            <dd>
              {formatLargeCount(estimate.prefill_designs)} × {formatLargeCount(estimate.decode_designs)}
            </dd>
            <dt>To be priced</dt>
            <dd>{formatLargeCount(estimate.evaluations)}</dd>
            <dt>Takes about</dt>
            <dd>{formatDuration(estimate.estimated_seconds)}</dd>
          </dl>
        )}
        {estimate !== null && <p class={css.hint}>{estimateBasis(estimate)}</p>}
        {estimate !== null && exact && <p class={css.hint}>Exact prices each stage once and proves the front of all pairs.</p>}
      </div>
    </Panel>
  );
}
