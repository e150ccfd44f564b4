/** The selected evaluations with everything that is known of them: parameters of the design, metrics, verdict. */
import { getWholeRows } from "../api/evaluations";
import { chosenRows } from "../domain/csv";
import { selectionBounds } from "../domain/selectionBounds";
import type { Table } from "../domain/table";
import type { OpenExploration } from "./exploration";
import { route } from "./router";

export interface WholeRows {
  readonly table: Table;
  /** Places in `table` of the rows that are selected. */
  readonly rows: Int32Array;
}

/** Of all evaluations where nothing is selected. */
export async function selectedEvaluations({ id, cloud, cloudMask }: OpenExploration): Promise<WholeRows> {
  const mask = cloudMask.value;
  if (mask === null) {
    const table = await getWholeRows(id, []);
    return { table, rows: chosenRows(table, null) };
  }
  const table = await getWholeRows(id, selectionBounds(cloud.table.value!, mask, route.value.view.selection));
  const places = table.numbers("row")!;
  return { table, rows: chosenRows(table, null).filter((row) => mask[places[row]!] === 1) };
}
