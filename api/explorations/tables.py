"""The front of an exploration as a table."""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

from db.artifacts import ArtifactMissing, ArtifactStore
from db.models import Artifact
from db.repositories.explorations import StoredFrontEntry
from spec.design_columns import design_columns
from spec.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT_TABLES = 16
_KEPT_BYTES = 256 * 2**20


class FrontTables:
    """The fronts that were asked for last, each made once: a front never changes, only an exploration that is deleted.

    Used from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()

    def get(self, exploration_id: str) -> pa.Table | None:
        """The table, if it is kept."""
        with self._lock:
            if exploration_id in self._tables:
                self._tables.move_to_end(exploration_id)
            return self._tables.get(exploration_id)

    def keep(self, exploration_id: str, table: pa.Table) -> None:
        """Keeps it for the next who asks, in place of the one that nobody asked for longest."""
        with self._lock:
            self._tables[exploration_id] = table
            self._tables.move_to_end(exploration_id)
            while len(self._tables) > 1 and (
                len(self._tables) > _KEPT_TABLES or sum(kept.nbytes for kept in self._tables.values()) > _KEPT_BYTES
            ):
                self._tables.popitem(last=False)

    def forget(self, exploration_id: str) -> None:
        """Of an exploration that was deleted."""
        with self._lock:
            self._tables.pop(exploration_id, None)


def table_of_entries(entries: list[StoredFrontEntry]) -> pa.Table:
    """The table of a front from its stored rows: index, key, the columns of the designs, every metric."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for entry in entries:
        metrics = json.loads(entry.metrics)
        rows.append(
            {
                "index": entry.index,
                "key": entry.key,
                **design_columns(json.loads(entry.design)),
                **{name: metrics.get(name) for name in METRICS},
            }
        )
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["index", "key", *METRICS]
    types = {"index": pa.int32(), "key": pa.string(), **{name: pa.float64() for name in METRICS}}
    columns = {name: pa.array([row.get(name) for row in rows], type=types.get(name)) for name in names}
    # Choices repeat themselves: names of modules and schemes are stored once each.
    return pa.table(
        {
            name: column.dictionary_encode() if pa.types.is_string(column.type) and name != "key" else column
            for name, column in columns.items()
        }
    )


def front_from_store(store: ArtifactStore, artifact: Artifact) -> pa.Table | None:
    """The table that the worker published; None where it is gone."""
    import pyarrow as pa

    try:
        with store.open_read(artifact.sha256) as stream:
            return pa.ipc.open_stream(stream).read_all()
    except (ArtifactMissing, pa.ArrowException):
        return None
