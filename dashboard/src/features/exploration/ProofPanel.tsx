/** Why the front is exact: every pair of legal designs was priced or excluded by a named bound. */
import type { JSX } from "preact";
import type { SearchRecord } from "../../domain/documents";
import { formatCount, formatDuration, formatQuantity } from "../../domain/units";
import { Panel } from "../../ui/basics";
import { DataTable, NumericCell, numericHeads } from "../../ui/DataTable";
import css from "./exploration.module.css";

type Proof = NonNullable<SearchRecord["proof"]>;

export function ProofPanel({ record, proof }: { readonly record: SearchRecord; readonly proof: Proof }): JSX.Element {
  const { floorplan, gap } = record;
  return (
    <Panel title="Proof" note={gap == null ? "complete" : "with a gap"}>
      <p>{proof.statement}</p>
      {gap != null && (
        <p class={css.gap} role="note">
          What keeps it from being complete: {gap}.
        </p>
      )}
      <DataTable label="Proof" inset heads={["What happened to the designs", "Counted in", ...numericHeads("How many")]}>
        <tbody>
          <Row title="pairs of legal stage designs" unit="pairs" count={proof.pairs} />
          {proof.pruned.map(({ bound, unit, pruned }) => (
            <Row key={bound + unit} title={`left out: ${bound}`} unit={unit} count={pruned} />
          ))}
          <Row title="priced as pairs" unit="pairs" count={proof.pairs_priced} />
          {floorplan != null && <Row title={`looked at by the floorplan, ${formatCount(floorplan.placed)} placed, ${formatCount(floorplan.within_band)} within the band of the estimates, ${formatCount(floorplan.unknown)} not decided in time, ${formatCount(floorplan.unchecked)} not looked at`} unit="parts" count={floorplan.parts} />}
          {floorplan != null && <Row title="refused by the floorplan and cut" unit="parts" count={floorplan.cut} />}
        </tbody>
      </DataTable>
      <p class={css.textNote}>
        Enumeration {formatDuration(proof.enumeration_s)}, merge {formatDuration(proof.merge_s)}
        {floorplan == null ? `; no floorplan: ${record.missing["floorplan"] ?? "it was not asked for"}` : `, floorplan ${formatDuration(floorplan.seconds)} in ${formatCount(floorplan.rounds)} ${floorplan.rounds === 1 ? "round" : "rounds"}`}. Of the stage designs{" "}
        {record.evaluations > 0 ? formatQuantity(record.feasible_evaluations / record.evaluations, "1", "fraction") : "none"} are feasible.
      </p>
    </Panel>
  );
}

/** A proof counts exactly: no power of ten. */
function Row({ title, unit, count }: { readonly title: string; readonly unit: string; readonly count: number }): JSX.Element {
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>{unit}</td>
      <NumericCell>{formatCount(count)}</NumericCell>
    </tr>
  );
}
