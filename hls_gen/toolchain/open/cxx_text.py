"""Pieces of generated C++ as text: comments away, brackets matched, lists split."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENING = {"(": ")", "<": ">", "[": "]", "{": "}"}
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def without_comments(text: str) -> str:
    """`text` without comments."""
    return _COMMENT.sub("", text)


def matching(text: str, start: int) -> int:
    """Index of the bracket that closes the one at `start`. In <...>, comparisons do not occur in generated code."""
    depth, opening = 0, text[start]
    closing = _OPENING[opening]
    for index in range(start, len(text)):
        if text[index] == opening:
            depth += 1
        elif text[index] == closing and not (closing == ">" and text[index - 1] == "-"):
            depth -= 1
            if depth == 0:
                return index
    raise ValueError(f"unbalanced {opening}")


def split_list(text: str) -> list[str]:
    """Items between commas that stand in no bracket."""
    items, depth, last = [], 0, 0
    for index, char in enumerate(text):
        if char in "(<[{":
            depth += 1
        elif char in ")>]}" and not (char == ">" and text[index - 1] == "-"):
            depth -= 1
        elif char == "," and depth == 0:
            items.append(text[last:index])
            last = index + 1
    return [item.strip() for item in (*items, text[last:]) if item.strip()]


def split_call(text: str) -> tuple[str, list[str], list[str]] | None:
    """Name, template arguments and arguments of a call `name<...>(...)`; None: it is none."""
    match = re.match(r"\s*((?:\w+::)*\w+)\s*", text)
    if match is None:
        return None
    name, rest = match[1].rsplit("::", 1)[-1], text[match.end() :]
    templates: list[str] = []
    if rest.startswith("<"):
        end = matching(rest, 0)
        templates, rest = split_list(rest[1:end]), rest[end + 1 :].lstrip()
    if not rest.startswith("("):
        return None
    return name, templates, split_list(rest[1 : matching(rest, 0)])


def invocations(text: str, macro: str) -> Iterator[str]:
    """What stands in the brackets of each `macro(...)`."""
    for match in re.finditer(rf"\b{macro}\s*\(", text):
        yield text[match.end() : matching(text, match.end() - 1)].strip()
