"""Parts of the OpenAPI document that several routes share."""

from __future__ import annotations

from typing import Any

from api.media import ARROW_STREAM, CSV, PARQUET

_BINARY = {"schema": {"type": "string", "format": "binary", "description": "a row for each design"}}

TABLE_CONTENT: dict[str, Any] = {
    ARROW_STREAM: _BINARY,
    PARQUET: _BINARY,
    CSV: {"schema": {"type": "string", "description": "a line for each design, names in the first"}},
}

_REPLAYED = {"description": "`true` where the Idempotency-Key was used before", "schema": {"type": "string"}}

ACCEPTED: dict[str, Any] = {
    "description": "Accepted; a worker will do it",
    "headers": {
        "Location": {"description": "path of the resource", "schema": {"type": "string"}},
        "Idempotency-Replayed": _REPLAYED,
    },
}

CREATED: dict[str, Any] = {
    "description": "Stored",
    "headers": {
        "Location": {"description": "path of the resource", "schema": {"type": "string"}},
        "Idempotency-Replayed": _REPLAYED,
    },
}
