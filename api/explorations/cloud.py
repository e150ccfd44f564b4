"""The designs behind a front, out of the Parquet file that the worker published: row group by row group.

Nothing here holds more than one row group (65,536 designs) beside what it answers with, and the two columns of a density.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from api.explorations.row_filter import Condition
from api.explorations.schemas import Density, DensityCells, RowsAre
from api.problems import NotFoundError
from api.tables import check_columns
from db.artifacts import ArtifactMissing, ArtifactStore
from db.models import Artifact
from spec.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

ROW = "row"  # the place of a design in the file: a column that can be asked for, and is not stored
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
    """The columns to read, all of the file where none are named; `row` is known too.

    Raises:
        UnknownNameError: one that the file does not have.
    """
    if columns is None:
        return list(file.schema_arrow.names)
    check_columns(tuple(columns), [*file.schema_arrow.names, ROW])
    return list(columns)


def schema_of(file: ParquetFile, columns: Sequence[str]) -> pa.Schema:
    """The schema of those columns; it says which designs the rows are."""
    import pyarrow as pa

    fields = [pa.field(ROW, pa.int32()) if name == ROW else file.schema_arrow.field(name) for name in columns]
    return pa.schema(fields, metadata={"rows_are": rows_are(file)})


def chosen_rows(
    file: ParquetFile, conditions: Sequence[Condition], sample: int | None, seed: int
) -> npt.NDArray[np.int64] | None:
    """The rows that meet all conditions, or `sample` of them by chance, in their order; None where that is all."""
    import numpy as np

    n = file.metadata.num_rows
    rows = np.arange(n)
    if conditions:
        columns = list(dict.fromkeys(condition.column for condition in conditions))
        groups = (file.read_row_group(group, columns=columns) for group in range(file.num_row_groups))
        masks = [np.logical_and.reduce([one.holds(table) for one in conditions]) for table in groups]
        rows = np.flatnonzero(np.concatenate(masks)) if masks else rows
    if sample is not None and sample < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, size=sample, replace=False))
    return rows if len(rows) < n else None


def batches(
    file: ParquetFile, columns: Sequence[str], rows: npt.NDArray[np.int64] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows in their order, or only `rows`, of one set of names for each column of names: clients need not merge
    them.
    """
    import numpy as np
    import pyarrow as pa

    schema = schema_of(file, columns)
    stored = [name for name in columns if name != ROW]
    names = {field.name: _names(file, field.name) for field in schema if pa.types.is_dictionary(field.type)}
    start = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        here = np.arange(start, start + size)
        if rows is not None:
            first, last = np.searchsorted(rows, (start, start + size))
            here = rows[first:last]
        if len(here):
            read = file.read_row_group(group, columns=stored).combine_chunks()
            table = pa.table({ROW: pa.array(here.astype(np.int32))})
            for name in stored:
                column = read.column(name)
                if name in names:
                    column = _encoded(column, names[name])
                table = table.append_column(name, column.take(pa.array(here - start)) if len(here) < size else column)
            yield from table.select(list(columns)).cast(schema).combine_chunks().to_batches()
        start += size


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


def table_of(file: ParquetFile, columns: Sequence[str], rows: npt.NDArray[np.int64] | None) -> pa.Table:
    """Those rows, all where None, as one table."""
    import pyarrow as pa

    return pa.Table.from_batches(list(batches(file, columns, rows)), schema=schema_of(file, columns))


def row_of(file: ParquetFile, row: int) -> dict[str, Any]:
    """One row by the names of its columns.

    Raises:
        NotFoundError: there are not that many.
    """
    import numpy as np

    n = file.metadata.num_rows
    if row >= n:
        raise NotFoundError(
            "no such row of the evaluations", field="row", value=row, rule=f"from 0 to {n - 1}",
            hint="ask for the column `row` with a sample",
        )  # fmt: skip
    found: dict[str, Any] = table_of(file, file.schema_arrow.names, np.array([row])).to_pylist()[0]
    return found


def density(file: ParquetFile, x: str, y: str, bins: int, log: bool) -> Density:
    """How many designs lie where, by two of the numbers of the designs; designs without either are counted as missing.

    Raises:
        InputError: a column that is no number, or a logarithmic axis without a value above 0.
        UnknownNameError: no such column.
    """
    import numpy as np
    import pyarrow as pa

    check_columns((x, y), file.schema_arrow.names)
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
