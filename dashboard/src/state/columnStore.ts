/** A table whose columns come when somebody looks at them, and stay. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { ArrowAnswer } from "../api/arrow";
import type { Table } from "../domain/table";

export interface ColumnStore {
  readonly table: ReadonlySignal<Table | null>;
  readonly metadata: ReadonlySignal<ReadonlyMap<string, string>>;
  readonly error: ReadonlySignal<Error | null>;
  readonly loading: ReadonlySignal<boolean>;
  /** Bytes that came so far. */
  readonly bytes: ReadonlySignal<number>;
  /** Asks for the columns that were not asked for yet. */
  ensure(columns: readonly string[]): Promise<void>;
}

export function columnStore(load: (columns: readonly string[]) => Promise<ArrowAnswer>): ColumnStore {
  const table = signal<Table | null>(null);
  const metadata = signal<ReadonlyMap<string, string>>(new Map());
  const error = signal<Error | null>(null);
  const loading = signal(false);
  const bytes = signal(0);
  const asked = new Set<string>();
  let open = 0;
  return {
    table,
    metadata,
    error,
    loading,
    bytes,
    async ensure(columns) {
      const missing = columns.filter((name) => !asked.has(name));
      if (missing.length === 0) return;
      for (const name of missing) asked.add(name);
      open += 1;
      loading.value = true;
      try {
        const answer = await load(missing);
        table.value = table.value === null ? answer.table : table.value.joined(answer.table);
        metadata.value = answer.metadata;
        bytes.value += answer.bytes;
        error.value = null;
      } catch (caught) {
        for (const name of missing) asked.delete(name);
        error.value = caught instanceof Error ? caught : new Error(String(caught));
      } finally {
        open -= 1;
        loading.value = open > 0;
      }
    },
  };
}
