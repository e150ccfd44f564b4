"""A front as an Arrow table: what notebooks and the dashboard read, made once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from spec.cost_report import Fit
from spec.design_columns import design_columns
from spec.exploration_result import FrontEntry
from spec.metrics import METRICS

FRONT_FILE = "front.arrow"
ARROW_STREAM = "application/vnd.apache.arrow.stream"


def front_table(front: Sequence[FrontEntry], verdicts: Sequence[Fit]) -> pa.Table:
    """One row a design: its index on the front, its key, whether it fits for sure, the columns of the design, every metric
    (null: no value). `verdicts`: of the designs of `front`, in its order.
    """
    rows = [
        {
            "index": index,
            "key": entry.design.canonical_key(),
            "fit": verdict,
            **design_columns(entry.design.model_dump(mode="json", by_alias=True)),
            **{name: entry.metrics.get(name) for name in METRICS},
        }
        for index, (entry, verdict) in enumerate(zip(front, verdicts, strict=True))
    ]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["index", "key", "fit", *METRICS]
    types = {"index": pa.int32(), "key": pa.string(), "fit": pa.string(), **{name: pa.float64() for name in METRICS}}
    columns = {name: pa.array([row.get(name) for row in rows], type=types.get(name)) for name in names}
    # Choices repeat themselves: names of modules and schemes are stored once each.
    return pa.table(
        {
            name: column.dictionary_encode() if pa.types.is_string(column.type) and name != "key" else column
            for name, column in columns.items()
        }
    )


def write_front(front: Sequence[FrontEntry], verdicts: Sequence[Fit], folder: Path) -> dict[str, str]:
    """Writes the table as an Arrow stream; the entry for the `files` of the result of a job."""
    table = front_table(front, verdicts)
    with (folder / FRONT_FILE).open("wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return {"path": FRONT_FILE, "media_type": ARROW_STREAM}
