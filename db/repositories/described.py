"""What a user may say about something that is stored: its name, labels and a note."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast
from sqlalchemy.orm import InstrumentedAttribute

from db.job_state import JobState
from db.models.exploration import Exploration
from db.models.job import Job
from db.models.project import Project


def changes(name: str | None, labels: Sequence[str] | None, note: str | None) -> dict[str, Any]:
    """The columns to change; None leaves one as it is."""
    wanted = {"name": name, "labels": list(labels) if labels is not None else None, "note": note}
    return {column: value for column, value in wanted.items() if value is not None}


def has_label(labels: InstrumentedAttribute[list[Any]], label: str) -> ColumnElement[bool]:
    """The JSON list holds that string: both databases can search its text, each in its own function otherwise."""
    return cast(labels, Text).contains(json.dumps(label), autoescape=True)


def filters(
    subject: type[Exploration] | type[Project],
    *,
    state: JobState | None,
    model: str | None,
    device: str | None,
    name_contains: str | None,
    label: str | None,
) -> list[ColumnElement[bool]]:
    """What a list of `subject` and its job is narrowed to; None leaves a condition out."""
    conditions: list[ColumnElement[bool]] = []
    if state is not None:
        conditions.append(Job.state == state)
    if model is not None:
        conditions.append(subject.model_name == model)
    if device is not None:
        conditions.append(subject.device_name == device)
    if name_contains is not None:
        conditions.append(subject.name.icontains(name_contains, autoescape=True))
    if label is not None:
        conditions.append(has_label(subject.labels, label))
    return conditions
