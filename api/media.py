"""Media types, and which of those on offer a client wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from api.problems import NotAcceptableError

JSON = "application/json"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"

TABLE_TYPES = (JSON, ARROW_STREAM, PARQUET, CSV)

TableFormat = Literal["json", "arrow", "parquet", "csv"]
_TYPE_OF_FORMAT: dict[TableFormat, str] = {"json": JSON, "arrow": ARROW_STREAM, "parquet": PARQUET, "csv": CSV}


def chosen_media_type(accept: str | None, format_: TableFormat | None) -> str:
    """The media type of a table: by `format` where that is given (a link cannot set headers), else by `Accept`.

    Raises:
        NotAcceptableError: none that we have.
    """
    return _TYPE_OF_FORMAT[format_] if format_ is not None else negotiate(accept, TABLE_TYPES)


def negotiate(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that `accept` wants most; the first offered one where all are alike.

    Raises:
        NotAcceptableError: it wants none of them.
    """
    if accept is None or not accept.strip():
        return offered[0]
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(accept, media_type)
        if quality > best_quality:
            best, best_quality = media_type, quality
    if best is None:
        raise NotAcceptableError(
            "this resource has none of the media types that are asked for",
            field="Accept",
            value=accept,
            rule=f"one of {', '.join(offered)}",
            hint=f"leave the header out for {offered[0]}",
        )
    return best


def _quality(accept: str, media_type: str) -> float:
    """The weight of `media_type`: the most specific range of the header decides (RFC 9110, 12.5.1)."""
    kind = media_type.partition("/")[0]
    specificity = {media_type: 3, f"{kind}/*": 2, "*/*": 1}
    found, weight = 0, 0.0
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if specificity.get(name, 0) > found:
            found, weight = specificity[name], _weight(parameters)
    return weight


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
