"""The evaluations of a search as a Parquet file, written part by part: memory does not grow with their number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dse.evaluated import Choice, Evaluated, EvaluatedBatch

EVALUATIONS_FILE = "evaluations.parquet"
PARQUET = "application/vnd.apache.parquet"


def write_evaluations(evaluated: Evaluated, folder: Path) -> dict[str, str]:
    """Writes the table; the entry for the `files` of the result of a job.

    Its columns: the parameters of the designs (int32), clock targets (float32), module variants, scheme, deployment
    (names), every metric of the registry (float32, null where it has no value), `feasible`, and `violated`, the first
    rule or constraint that is broken (null where all hold). The metadata `rows_are` says which designs these are.
    """
    path = folder / EVALUATIONS_FILE
    writer: parquet.ParquetWriter | None = None
    try:
        for batch in evaluated.batches():
            table = _table(batch).replace_schema_metadata({"rows_are": evaluated.rows_are})
            if writer is None:
                writer = parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    return {"path": EVALUATIONS_FILE, "media_type": PARQUET}


def _table(batch: EvaluatedBatch) -> pa.Table:
    columns: dict[str, pa.Array] = {name: pa.array(column.astype(np.int32)) for name, column in batch.numbers.items()}
    columns |= {name: pa.array(column.astype(np.float32)) for name, column in batch.clocks_mhz.items()}
    columns |= {name: _names(choice) for name, choice in batch.choices.items()}
    for name, column in batch.metrics.items():
        known = np.isfinite(column)
        columns[name] = pa.array(column.astype(np.float32), mask=None if known.all() else ~known)
    columns["feasible"] = pa.array(batch.feasible)
    columns["violated"] = _names(batch.violated)
    return pa.table(columns)


def _names(choice: Choice) -> pa.DictionaryArray:
    # Parquet takes a null in the codes, not one among the names.
    nameless = [code for code, name in enumerate(choice.names) if name is None]
    texts = pa.array(["" if name is None else str(name) for name in choice.names], type=pa.string())
    codes = choice.codes.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=(codes < 0) | np.isin(codes, nameless)), texts)
