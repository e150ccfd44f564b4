"""The designs behind a front, out of the Parquet file that the worker published: row group by row group.

Nothing here holds more than one row group (65,536 designs) beside what it answers with, and the two columns of a density.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from api.explorations.schemas import Density, DensityCells, RowsAre
from api.problems import NotFoundError
from api.tables import check_columns
from db.artifacts import ArtifactMissing, ArtifactStore
from db.models import Artifact
from spec.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_ROWS_ARE = b"rows_are"
_EVALUATED = b"evaluated"  # what files say that were written before they said it


def evaluations_gone() -> NotFoundError:
    """There is no file of the evaluations."""
    return NotFoundError(
        "the evaluations of this exploration are not kept",
        field="exploration_id",
        rule="kept by explorations that succeeded, until their age or the quota of artifacts ends them",
        hint="the front is kept as long as the exploration; run it again for its evaluations",
    )


@contextmanager
def opened(store: ArtifactStore, artifact: Artifact) -> Iterator[ParquetFile]:
    """The file, open.

    Raises:
        NotFoundError: its bytes are gone.
    """
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(store.path(artifact.sha256) or store.open_read(artifact.sha256), memory_map=True)
    except (ArtifactMissing, FileNotFoundError) as error:
        raise evaluations_gone() from error
    with file:
        yield file


def rows_are(file: ParquetFile) -> RowsAre:
    """Which designs the rows are: `evaluated`, `all` or `sampled`."""
    metadata = file.schema_arrow.metadata or {}
    return TypeAdapter(RowsAre).validate_python(bytes(metadata.get(_ROWS_ARE, _EVALUATED)).decode())


def checked_columns(file: ParquetFile, columns: Sequence[str] | None) -> list[str]:
    """The columns to read, all where none are named.

    Raises:
        UnknownNameError: one that the file does not have.
    """
    if columns is None:
        return list(file.schema_arrow.names)
    check_columns(tuple(columns), file.schema_arrow.names)
    return list(columns)


def schema_of(file: ParquetFile, columns: Sequence[str]) -> pa.Schema:
    """The schema of those columns; it says which designs the rows are."""
    import pyarrow as pa

    fields = [file.schema_arrow.field(name) for name in columns]
    return pa.schema(fields, metadata={"rows_are": rows_are(file)})


def batches(file: ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows in their order, of one set of names for each column of names: clients need not merge them."""
    import pyarrow as pa

    schema = schema_of(file, columns)
    names = {field.name: _names(file, field.name) for field in schema if pa.types.is_dictionary(field.type)}
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=list(columns)).combine_chunks().select(list(columns))
        for name, known in names.items():
            place = table.column_names.index(name)
            table = table.set_column(place, schema.field(name), _encoded(table.column(name), known))
        yield from table.replace_schema_metadata(schema.metadata).cast(schema).to_batches()


def _names(file: ParquetFile, column: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = [
        file.read_row_group(group, columns=[column]).column(0).cast(pa.string()).unique()
        for group in range(file.num_row_groups)
    ]
    return pc.drop_null(pc.unique(pa.chunked_array(found, type=pa.string())))


def _encoded(column: pa.ChunkedArray, names: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = pc.index_in(column.cast(pa.string()).combine_chunks(), value_set=names)
    return pa.DictionaryArray.from_arrays(codes.cast(pa.int32()), names)


def sample_of(file: ParquetFile, columns: Sequence[str], sample: int, seed: int) -> pa.Table:
    """`sample` rows by chance, in their order; all where there are no more."""
    import numpy as np
    import pyarrow as pa

    n = file.metadata.num_rows
    schema = schema_of(file, columns)
    chosen = np.arange(n)
    if sample < n:
        chosen = np.sort(np.random.default_rng(seed).choice(n, size=sample, replace=False))
    parts, start = [], 0
    for batch in batches(file, columns):
        end = start + batch.num_rows
        first, last = np.searchsorted(chosen, (start, end))
        parts.append(batch.take(pa.array(chosen[first:last] - start)))
        start = end
    return pa.Table.from_batches(parts, schema=schema)


def density(file: ParquetFile, x: str, y: str, bins: int, log: bool) -> Density:
    """How many designs lie where, by two of the numbers of the designs; designs without either are counted as missing.

    Raises:
        InputError: a column that is no number, or a logarithmic axis without a value above 0.
        UnknownNameError: no such column.
    """
    import numpy as np
    import pyarrow as pa

    checked_columns(file, (x, y))
    for place, name in (("x", x), ("y", y)):
        if pa.types.is_dictionary(file.schema_arrow.field(name).type) or pa.types.is_boolean(
            file.schema_arrow.field(name).type
        ):
            raise InputError(
                f"{name} is no number", field=place, value=name, rule="a metric, or a number of the designs",
                hint="columns of names can be counted by ?columns= of the evaluations",
            )  # fmt: skip
    table = file.read(columns=list(dict.fromkeys((x, y, "feasible"))))
    values = [table.column(name).to_numpy().astype(np.float64) for name in (x, y)]
    shown = np.isfinite(values[0]) & np.isfinite(values[1])
    if log:
        shown &= (values[0] > 0) & (values[1] > 0)
    edges = [_edges(column[shown], bins, log) for column in values]
    i, j = (_bin(column[shown], edge) for column, edge in zip(values, edges, strict=True))
    cell = i * bins + j
    fits = table.column("feasible").to_numpy()[shown]
    designs = np.bincount(cell, minlength=bins * bins)
    feasible = np.bincount(cell[fits], minlength=bins * bins)
    filled = np.flatnonzero(designs)
    return Density(
        x=x,
        y=y,
        bins=bins,
        log=log,
        x_edges=tuple(edges[0].tolist()),
        y_edges=tuple(edges[1].tolist()),
        cells=DensityCells(
            x=tuple((filled // bins).tolist()),
            y=tuple((filled % bins).tolist()),
            designs=tuple(designs[filled].tolist()),
            feasible=tuple(feasible[filled].tolist()),
        ),
        rows=table.num_rows,
        missing=int(table.num_rows - shown.sum()),
        rows_are=rows_are(file),
    )


def _edges(values: npt.NDArray[Any], bins: int, log: bool) -> npt.NDArray[Any]:
    import numpy as np

    if not len(values):
        return np.zeros(0)
    low, high = float(values.min()), float(values.max())
    return np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)


def _bin(values: npt.NDArray[Any], edges: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The bin of each value; the last one holds its upper edge too."""
    import numpy as np

    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
