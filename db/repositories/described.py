"""What a user may say about something that is stored: its name, labels and a note."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast
from sqlalchemy.orm import InstrumentedAttribute


def changes(name: str | None, labels: Sequence[str] | None, note: str | None) -> dict[str, Any]:
    """The columns to change; None leaves one as it is."""
    wanted = {"name": name, "labels": list(labels) if labels is not None else None, "note": note}
    return {column: value for column, value in wanted.items() if value is not None}


def has_label(labels: InstrumentedAttribute[list[Any]], label: str) -> ColumnElement[bool]:
    """The JSON list holds that string: both databases can search its text, each in its own function otherwise."""
    return cast(labels, Text).contains(json.dumps(label), autoescape=True)
