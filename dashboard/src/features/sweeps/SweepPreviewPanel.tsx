/** How many explorations a sweep is, when they start and how long they take, before it is submitted. */
import type { JSX } from "preact";
import type { SweepPreview } from "../../api/sweeps";
import { formatCount, formatDuration } from "../../domain/units";
import { Missing, Panel } from "../../ui/basics";
import form from "../explorations/explorations.module.css";
import type { Checked } from "../explorations/validation";
import { nightText } from "./night";

export function SweepPreviewPanel({ checked, concurrency }: { readonly checked: Checked<SweepPreview>; readonly concurrency: number }): JSX.Element {
  const { estimate, checking } = checked;
  return (
    <Panel title="The sweep" note={checking ? "counting…" : undefined}>
      <div role="status" aria-label="Size of the sweep" aria-busy={checking}>
        {estimate === null ? (
          <p class={form.hint}>{checking ? "The server counts the explorations." : "Counted as soon as the form is complete."}</p>
        ) : (
          <>
            <dl class={form.facts}>
              <dt>Explorations</dt>
              <dd>{formatCount(estimate.explorations)}</dd>
              <dt>Start</dt>
              <dd>{estimate.night === null ? "as soon as a worker is free" : nightText(estimate.night)}</dd>
              <dt>Work</dt>
              <dd>{estimate.estimated_seconds === null ? <Missing reason="too many different spaces to count before" /> : `about ${formatDuration(estimate.estimated_seconds)}`}</dd>
            </dl>
            <p class={form.hint}>One after the other; {concurrency > 1 ? `up to ${formatCount(concurrency)} run at once, as far as the server has workers.` : "they run one at a time."}</p>
            <details>
              <summary>What is explored</summary>
              <ul class={form.hint}>
                {estimate.titles.map((title) => (
                  <li key={title}>{title}</li>
                ))}
                {estimate.explorations > estimate.titles.length && <li>and {formatCount(estimate.explorations - estimate.titles.length)} more</li>}
              </ul>
            </details>
          </>
        )}
      </div>
    </Panel>
  );
}
