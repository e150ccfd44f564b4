/** What the perplexity increase of the designs rests on, scheme by scheme: it comes from tables, not from the cost models. */
import type { JSX } from "preact";
import type { FrontView } from "../../domain/columns";
import { changeText, isQualityOfNow, qualitySource } from "../../domain/quality";
import { metricOf } from "../../domain/registry";
import css from "./exploration.module.css";

export function QualityNote({ front }: { readonly front: FrontView }): JSX.Element | null {
  const { qualities, missing } = front.head;
  const schemes = Object.entries(qualities);
  if (schemes.length === 0) return null;
  return (
    <div class={css.qualityNote} role="note" aria-label="Model quality">
      <strong>{metricOf("quality").title}</strong>
      <ul>
        {schemes.map(([scheme, report]) => (
          <li key={scheme}>
            <code>{scheme}</code> {report.value === null ? <>not known: {report.missing ?? missing["quality"] ?? "no reason given"}</> : <>{changeText(report.value)}, {qualitySource(report)}</>}
            {report.detail != null && report.detail !== "" && <small> ({report.detail})</small>}
            {isStale(front, scheme) && <small> The designs of this front have the value of the tables of then.</small>}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Whether a design of the front has another value than the tables have now. */
function isStale({ head, table }: FrontView, scheme: string): boolean {
  const values = table.numbers("quality");
  if (values === null) return false;
  for (let row = 0; row < table.rows; row += 1) {
    if (table.nameAt("quant_scheme.name", row) === scheme && !Number.isNaN(values[row]!)) return !isQualityOfNow(head.qualities[scheme], values[row]!);
  }
  return false;
}
