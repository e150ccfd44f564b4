/** Many designs as columns: numbers as typed arrays (NaN where a value is missing), names as codes of a short list. */

export type Numbers = Float64Array | Float32Array | Int32Array | Uint8Array;

/** `codes[i]` is the place of row i's name in `names`; -1 where it has none. */
export interface Names {
  readonly codes: Int32Array;
  readonly names: readonly string[];
}

export class Table {
  readonly rows: number;
  private readonly byName: ReadonlyMap<string, Numbers | Names>;

  constructor(rows: number, columns: Iterable<readonly [string, Numbers | Names]>) {
    this.rows = rows;
    this.byName = new Map(columns);
  }

  get columns(): readonly string[] {
    return [...this.byName.keys()];
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Null where there is no such column, or one of names. */
  numbers(name: string): Numbers | null {
    const column = this.byName.get(name);
    return column === undefined || "codes" in column ? null : column;
  }

  names(name: string): Names | null {
    const column = this.byName.get(name);
    return column !== undefined && "codes" in column ? column : null;
  }

  /** The name in a row; null where it has none. */
  nameAt(column: string, row: number): string | null {
    const names = this.names(column);
    const code = names?.codes[row] ?? -1;
    return code < 0 ? null : (names!.names[code] ?? null);
  }

  /** With the columns of `other` beside its own: the same rows in the same order. */
  joined(other: Table): Table {
    if (other.rows !== this.rows) throw new RangeError(`${other.rows} rows do not stand beside ${this.rows}`);
    return new Table(this.rows, [...this.byName, ...other.byName]);
  }
}
