"""The rules of pydantic in plain words: what a value must be, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from spec.errors import nearest_names

CORRECT = "correct the value"

_NUMBERS = {"int_type", "int_from_float", "int_parsing", "int_parsing_size", "float_type", "float_parsing"}
_BOUNDS = ("ge", "gt", "le", "lt")


def value_rule(entry: Mapping[str, Any], field: FieldInfo | None = None) -> tuple[str, str]:
    """Rule and way out of an error of pydantic; its own words where there are none here.

    `field`: of the value, where it is known: it has the other end of a range.
    """
    kind, context, value = str(entry["type"]), entry.get("ctx") or {}, entry.get("input")
    if bounds := {name: context[name] for name in _BOUNDS if name in context}:
        return _range({**_bounds_of(field), **bounds}), _nearest_end(bounds)
    if kind in _NUMBERS:
        return _number("whole " if kind.startswith("int") else "", value)
    if kind in ("literal_error", "enum"):
        return _choice(str(context.get("expected", "")), value)
    if kind in ("too_long", "too_short", "string_too_long", "string_too_short"):
        return _length(kind, context, value)
    simple = {
        "finite_number": ("must be a finite number", "write a number, or null for a missing one"),
        "multiple_of": (f"must be a multiple of {context.get('multiple_of')}", "round it to one"),
        "bool_type": ("must be true or false", "write one of them, without quotes"),
        "bool_parsing": ("must be true or false", "write one of them"),
        "string_type": ("must be text", "put it in quotes"),
        "list_type": ("must be a list", "write it in square brackets"),
        "tuple_type": ("must be a list", "write it in square brackets"),
    }
    if kind in simple:
        return simple[kind]
    message = str(entry["msg"]).removeprefix("Value error, ")
    return re.sub(r"\btuple\b", "list", re.sub(r"\bTuple\b", "List", message)), CORRECT


def _bounds_of(field: FieldInfo | None) -> dict[str, Any]:
    known = field.metadata if field is not None else ()
    return {name: getattr(one, name) for one in known for name in _BOUNDS if getattr(one, name, None) is not None}


def _shown(bound: Any) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" if isinstance(bound, float) else str(bound)


def _typed(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _range(bounds: Mapping[str, Any]) -> str:
    if "ge" in bounds and "le" in bounds:
        return f"must be from {_shown(bounds['ge'])} to {_shown(bounds['le'])}"
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return f"must be {' and '.join(f'{words[name]} {_shown(bounds[name])}' for name in _BOUNDS if name in bounds)}"


def _nearest_end(broken: Mapping[str, Any]) -> str:
    (name, bound), *_ = broken.items()
    text = _typed(bound)
    side = {"ge": f"{text} or more", "le": f"{text} or less", "gt": f"more than {text}", "lt": f"less than {text}"}
    return f"write {side[name]}"


def _number(whole: str, value: Any) -> tuple[str, str]:
    rule = f"must be a {whole}number"
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value) and (not whole or "." not in value):
        return rule, f"write {value.strip()} without quotes"
    if whole and isinstance(value, float) and abs(value) < 2**53:
        return rule, f"write {round(value)}"
    return rule, f"write a {whole}number{' without a unit' if isinstance(value, str) else ''}"


def _choice(expected: str, value: Any) -> tuple[str, str]:
    names = re.findall(r"'([^']*)'", expected)
    near = nearest_names(str(value), names)
    return f"must be {expected}", f"did you mean {' or '.join(near)}?" if near else "write one of these"


def _length(kind: str, context: Mapping[str, Any], value: Any) -> tuple[str, str]:
    is_text = kind.startswith("string")
    most = kind.endswith("long")
    limit = int(context["max_length" if most else "min_length"])
    what = ("character" if is_text else "entry") if limit == 1 else ("characters" if is_text else "entries")
    has = len(value) if isinstance(value, (str, list, tuple, dict)) else None
    rule = f"must have at {'most' if most else 'least'} {limit:,} {what}"
    if has is None or has == 0:
        return rule, "shorten it" if most else "write something" if is_text else "add one"
    return rule, f"it has {has:,}: {'leave some out' if most else 'add some'}"
