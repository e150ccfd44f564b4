"""The envelope that every JSON document of ours starts with."""

from __future__ import annotations

from typing import Any

from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION

VERSION_KEYS = ("flexdse_version", "model_version", "timing_table_version")


def envelope(schema: str, timing_table_version: str = DEFAULT_TIMING_TABLE.version) -> dict[str, Any]:
    """`schema` and the versions, to be the first keys of a document."""
    return {
        "schema": f"flexdse/{schema}",
        "flexdse_version": FLEXDSE_VERSION,
        "model_version": MODEL_VERSION,
        "timing_table_version": timing_table_version,
    }
