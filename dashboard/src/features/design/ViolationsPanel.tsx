/** What does not fit, what nobody can decide yet, by how much, and what would make it fit. */
import type { JSX } from "preact";
import { formatBand } from "../../domain/design";
import type { CostReport, Violation } from "../../domain/documents";
import { limitAmount, limitText, ruleTitle, verdictText } from "../../domain/limits";
import { Panel } from "../../ui/basics";
import css from "./design.module.css";

type OpenLimit = CostReport["open_limits"][number];

interface ViolationsPanelProps {
  readonly violations: readonly Violation[];
  /** Limits within the error band of what is held against them. */
  readonly openLimits: readonly OpenLimit[];
}

export function ViolationsPanel({ violations, openLimits }: ViolationsPanelProps): JSX.Element {
  const bandOf = ({ constraint, where }: Violation): OpenLimit | undefined => openLimits.find((limit) => limit.constraint === constraint && limit.where === where);
  const undecided = openLimits.filter((limit) => !violations.some(({ constraint, where }) => constraint === limit.constraint && where === limit.where));
  const verdict = verdictText(violations, undecided);
  return (
    <Panel title="Constraints">
      {verdict !== null && <p class={undecided.length === 0 ? css.fine : css.undecided}>{verdict}</p>}
      {violations.map((violation) => {
        const band = bandOf(violation);
        return (
          <div key={`${violation.constraint}-${violation.where}`} class={css.violation}>
            <h3>
              {ruleTitle(violation.constraint)} in {violation.where}
              {limitText(violation) !== "" && <>: {limitText(violation)}</>}
            </h3>
            <p>{violation.message}</p>
            {band !== undefined && <p class={css.undecided}>Over the limit as estimated, which is what a search goes by; the limit lies within the estimate’s error band ({formatBand(band)}), so the tools may still fit it.</p>}
            <Levers title="What would make it fit:" levers={violation.levers} />
            <Levers title={violation.levers.length === 0 ? "Nothing that was tried makes it fit; what lowers it:" : "What only lowers it:"} levers={violation.partial_levers} />
          </div>
        );
      })}
      {undecided.map((limit) => (
        <div key={`${limit.constraint}-${limit.where}`} class={css.violation}>
          <h3>
            {ruleTitle(limit.constraint)} in {limit.where}: {limitAmount(limit.demand, limit.unit)} estimated ({formatBand(limit)}), {limitAmount(limit.bound, limit.unit)} allowed
          </h3>
          <p>If it does not fit: {limit.message}.</p>
          <Levers title="What would make it fit:" levers={limit.levers} />
        </div>
      ))}
    </Panel>
  );
}

function Levers({ title, levers }: { readonly title: string; readonly levers: readonly string[] }): JSX.Element | null {
  if (levers.length === 0) return null;
  return (
    <>
      <p class={css.note}>{title}</p>
      <ul>
        {levers.map((lever) => (
          <li key={lever}>{lever}</li>
        ))}
      </ul>
    </>
  );
}
