/** Every design that a search priced: a sample of them at once, all of them when somebody looks closer. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { getEvaluations } from "../api/evaluations";
import type { Table } from "../domain/table";
import { type ColumnStore, columnStore } from "./columnStore";

/** Four columns of so many rows are about 1 MB: the first paint stays below 2 MB. */
export const SAMPLE_ROWS = 60_000;
/** Whether a design is feasible, and which rule it breaks first. */
const VERDICT = ["feasible", "violated"] as const;

/** The place of a row in the whole table. */
const ROW = "row";

export interface Cloud {
  readonly id: string;
  /** The best there is now: all rows, or the sample of them. */
  readonly table: ReadonlySignal<Table | null>;
  readonly isFull: ReadonlySignal<boolean>;
  readonly loading: ReadonlySignal<boolean>;
  readonly error: ReadonlySignal<Error | null>;
  /** What the rows are: `evaluated` by the search, or `sampled` from the legal space as a backdrop. */
  readonly rowsAre: ReadonlySignal<string | null>;
  /** Loads these columns, of the sample or of all rows, whichever is shown. */
  want(columns: readonly string[]): void;
  /** The place in the file of a row of `table`: a sample knows only its own rows until somebody asks. */
  rowInFile(row: number): Promise<number>;
  /** From now on all rows. */
  wantAll(): void;
}

export function openCloud(id: string): Cloud {
  const sample = columnStore((columns) => getEvaluations(id, columns, SAMPLE_ROWS));
  const full = columnStore((columns) => getEvaluations(id, columns, null));
  const wanted = new Set<string>(VERDICT);
  const asksAll = signal(false);

  const isWhole = (table: Table | null): boolean => table !== null && table.rows < SAMPLE_ROWS;
  const store = (): ColumnStore => (asksAll.value && !isWhole(sample.table.value) ? full : sample);
  const table = computed(() => {
    // All rows as soon as they have what the sample shows; until then the sample.
    const all = asksAll.value ? full.table.value : null;
    const few = sample.table.value;
    return all !== null && (few === null || few.columns.every((name) => name === ROW || all.has(name))) ? all : few;
  });

  return {
    id,
    table,
    isFull: computed(() => table.value !== null && (table.value === full.table.value || isWhole(table.value))),
    loading: computed(() => sample.loading.value || full.loading.value),
    error: computed(() => full.error.value ?? sample.error.value),
    rowsAre: computed(() => sample.metadata.value.get("rows_are") ?? full.metadata.value.get("rows_are") ?? null),
    want(columns) {
      for (const name of columns) wanted.add(name);
      void store().ensure([...wanted]);
    },
    async rowInFile(row) {
      if (table.value === full.table.value) return row;
      await sample.ensure([ROW]);
      return sample.table.value?.numbers(ROW)?.[row] ?? row;
    },
    wantAll() {
      if (asksAll.value || isWhole(sample.table.value)) return;
      asksAll.value = true;
      void full.ensure([...wanted]);
    },
  };
}
