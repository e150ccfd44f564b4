"""One element of a large JSON array, as of a front: the others are passed over, not kept."""

from __future__ import annotations

import json
import re

from spec.strict import Document, parse_json

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def array_element(text: str, number: int, source: str | None = None) -> tuple[Document | None, int | None]:
    """Element `number`, counted from 0, of a JSON array, parsed strictly; of those before it only that they are JSON.

    Returns:
        The element, or None and how many elements there are; None twice where the text is JSON of another kind.

    Raises:
        InputError: the text is not JSON.
    """
    try:
        return _element(text, number, source)
    except (json.JSONDecodeError, RecursionError):
        parse_json(text, source)  # says where and what
        raise


def _element(text: str, number: int, source: str | None) -> tuple[Document | None, int | None]:
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        parse_json(text, source)
        return None, None
    at, seen = _after_space(text, at + 1), 0
    if text[at : at + 1] == "]":
        return None, 0
    while True:
        _, end = _DECODER.raw_decode(text, at)
        if seen == number:
            return parse_json(text[at:end], source), seen + 1
        at, seen = _after_space(text, end), seen + 1
        if text[at : at + 1] == "]":
            return None, seen
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("expecting ',' delimiter", text, at)
        at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
