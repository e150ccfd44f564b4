"""Numbers with their sources: `{value: 304, source: "..."}` in YAML becomes 304 plus an entry of a source table."""

from __future__ import annotations

from typing import Any

from spec.errors import InputError
from spec.strict import Document, PathKey, dotted


def split_sources(document: Document) -> tuple[Any, dict[str, str]]:
    """Separate the values of `document` from their sources.

    A mapping `{value, source}` is one sourced value. A key `source` beside other keys speaks for every number below
    it that has no closer one. Returns the plain data and a table from dotted path of a number to its source.

    Raises:
        InputError: a source that is not a non-empty text.
    """
    table: dict[str, str] = {}

    def source_text(value: Any, path: PathKey) -> str:
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                "empty source",
                field=dotted((*path, "source")),
                value=value,
                rule="a source is a non-empty text",
                hint="say where the number comes from",
                source=document.source,
                line=document.line((*path, "source")),
            )
        return value

    def walk(node: Any, path: PathKey, inherited: str | None) -> Any:
        if path == ("sources",):  # the table itself, in a document of ours that was read back
            return node
        if isinstance(node, dict):
            if set(node) == {"value", "source"}:
                table[dotted(path)] = source_text(node["source"], path)
                return node["value"]
            own = source_text(node["source"], path) if "source" in node else inherited
            return {key: walk(value, (*path, key), own) for key, value in node.items() if key != "source"}
        if isinstance(node, list):
            return [walk(value, (*path, i), inherited) for i, value in enumerate(node)]
        if inherited is not None and isinstance(node, int | float) and not isinstance(node, bool):
            table[dotted(path)] = inherited
        return node

    return walk(document.data, (), None), table
