/** What does not fit, by how much, and what would make it fit. */
import type { JSX } from "preact";
import type { Violation } from "../../domain/documents";
import { formatQuantity } from "../../domain/units";
import { Panel } from "../../ui/basics";
import css from "./design.module.css";

export function ViolationsPanel({ violations }: { readonly violations: readonly Violation[] }): JSX.Element {
  return (
    <Panel title="Constraints">
      {violations.length === 0 ? (
        <p class={css.fine}>Every constraint is met.</p>
      ) : (
        violations.map((violation) => (
          <div key={`${violation.constraint}-${violation.where}`} class={css.violation}>
            <h3>
              {violation.constraint} in {violation.where}: {formatQuantity(violation.demand, violation.unit)} needed,{" "}
              {formatQuantity(violation.bound, violation.unit)} there
            </h3>
            <p>{violation.message}</p>
            {violation.levers.length > 0 && (
              <>
                <p class={css.note}>What would make it fit:</p>
                <ul>
                  {violation.levers.map((lever) => (
                    <li key={lever}>{lever}</li>
                  ))}
                </ul>
              </>
            )}
          </div>
        ))
      )}
    </Panel>
  );
}
