"""Suggest and tell: designs of a front that somebody measures in a flow of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from api.explorations.front import FRONT_FIELDS, entry_json, front_entry
from api.explorations.schemas import FrontDesign, Measured, Measurements, SuggestInput, Suggestions, TellInput
from api.explorations.service import COLLECTION, found
from api.idempotency import Answer, once
from api.problems import ConflictError
from db.base import utc_now
from db.models import Measurement
from db.session import Database, UnitOfWork
from spec.calibration import MeasuredProvenance
from spec.design_point import DesignPoint
from spec.errors import UnknownNameError
from spec.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa


def suggest(
    database: Database,
    table: pa.Table,
    owner: str,
    exploration_id: str,
    wanted: SuggestInput,
    key: str | None,
) -> Answer:
    """Designs of the front to measure next; nobody else is asked for them until the lease ends.

    Raises:
        NotFoundError: no such exploration.
        ConflictError: it has no front yet.
    """
    from api.explorations.suggest import next_designs  # loads NumPy

    def do(work: UnitOfWork) -> Answer:
        row, job = found(work, owner, exploration_id)
        if not table.num_rows:
            raise ConflictError(
                f"the exploration is {job.state.value} and has no front",
                field="state",
                value=job.state.value,
                rule="designs are suggested from the front of an exploration that succeeded",
                hint=f"wait for it: GET {COLLECTION}/{exploration_id}/events",
            )
        now = utc_now()
        expires_at = now + timedelta(seconds=wanted.lease_s)
        taken = work.measurements.suggested(exploration_id, now)
        taken |= {measurement.design_key for measurement in work.measurements.of(exploration_id)}
        objectives = [name for name in row.request["objectives"] if name in METRICS] or list(METRICS)
        entries = [front_entry(work, row, index) for index in next_designs(table, objectives, taken, wanted.count)]
        work.measurements.suggest(exploration_id, owner, [(entry.key, entry.index) for entry in entries], expires_at)
        designs = tuple(FrontDesign.model_validate_json(entry_json(entry, FRONT_FIELDS)) for entry in entries)
        shown = Suggestions(exploration_id=exploration_id, expires_at=expires_at, designs=designs)
        return Answer.of(200, shown)

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:suggest", key, wanted, do)


def tell(
    database: Database, table: pa.Table, owner: str, exploration_id: str, told: TellInput, key: str | None
) -> Answer:
    """Keeps measurements of designs of the front.

    Raises:
        NotFoundError: no such exploration.
        InputError: a design that is not on the front, or an unknown metric.
    """
    index_of = dict(zip(table.column("key").to_pylist(), table.column("index").to_pylist(), strict=True))
    for i, one in enumerate(told.measurements):
        if one.key not in index_of:
            raise UnknownNameError(
                "design of the front", one.key, index_of, field=f"measurements[{i}].key", hint="Keys are in the front."
            )
        for name in one.metrics:
            if name not in METRICS:
                raise UnknownNameError("metric", name, METRICS, field=f"measurements[{i}].metrics.{name}")

    def do(work: UnitOfWork) -> Answer:
        row, _ = found(work, owner, exploration_id)
        for one in told.measurements:
            entry = front_entry(work, row, index_of[one.key])
            work.measurements.add(
                owner=owner,
                exploration_id=exploration_id,
                design_key=one.key,
                index=entry.index,
                design=DesignPoint.model_validate_json(entry.design).model_dump(mode="json", by_alias=True),
                metrics=one.metrics,
                provenance=one.provenance,
                source=one.source,
            )
        return Answer.of(200, _measurements(work.measurements.of(exploration_id), table))

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:tell", key, told, do)


def measurements(database: Database, table: pa.Table, owner: str, exploration_id: str) -> Measurements:
    """All that was told of an exploration.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        found(work, owner, exploration_id)
        return _measurements(work.measurements.of(exploration_id), table)


def _measurements(rows: Sequence[Measurement], table: pa.Table) -> Measurements:
    row_of = {key: row for row, key in enumerate(table.column("key").to_pylist())}
    items = []
    logs: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        place = row_of.get(row.design_key)
        predicted = {
            name: table.column(name)[place].as_py() if place is not None and name in table.column_names else None
            for name in row.metrics
        }
        ratio = {name: value / predicted[name] if predicted[name] else None for name, value in row.metrics.items()}
        for name, value in ratio.items():
            if value is not None:
                logs.setdefault((row.provenance, name), []).append(math.log(value))
        items.append(
            Measured(
                id=row.id,
                key=row.design_key,
                index=row.index,
                provenance=cast("MeasuredProvenance", row.provenance),
                source=row.source,
                metrics=row.metrics,
                predicted=predicted,
                ratio=ratio,
                created_at=row.created_at,
            )
        )
    means: dict[str, dict[str, float]] = {}
    for (provenance, name), values in logs.items():
        means.setdefault(provenance, {})[name] = math.exp(sum(values) / len(values))
    return Measurements(items=tuple(items), mean_ratio=means)
