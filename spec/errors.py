"""Errors that users read: each names the field, the value, the rule and a way out.

Command line exit codes follow from the class: bad usage or bad input is 2, a failure is 1.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from enum import Enum
from typing import Any


class _Missing(Enum):
    VALUE = "no value given"  # of an enum, so that it stays itself through pickle


NO_VALUE: Any = _Missing.VALUE  # for what has none, such as a missing key
_MAX_ECHO_CHARS = 120  # a hostile 10 kB name must not flood a terminal or a log
_MAX_SOURCE_CHARS = 1000  # paths are wanted whole


def printable(text: str, limit: int = _MAX_ECHO_CHARS) -> str:
    """`text` on one line with control characters escaped, shortened in the middle."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: 4 * limit])
    if len(text) > limit:
        half = limit // 2
        ending = "".join(c if c.isprintable() else "?" for c in text[-half // 2 :])
        return f"{safe[:half]}...{ending} ({len(text)} characters)"
    return safe


def echo(value: object) -> str:
    """`value` as it may be shown in a message: repr, control characters escaped, shortened in the middle."""
    try:
        return printable(repr(value))
    except (RecursionError, ValueError):  # nested too deeply, or an integer of thousands of digits
        return f"<{type(value).__name__} that is too large to show>"


def plain(value: object) -> str:
    """`value` as a program may read it: text as it is, anything else as JSON; cleaned and shortened as `echo` does."""
    try:
        return printable(value if isinstance(value, str) else json.dumps(value))
    except (RecursionError, ValueError, TypeError):
        return echo(value)


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that look most like `name`, best first; empty when none is close."""
    lowered = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(str(name)[:200].lower(), list(lowered), n=count, cutoff=0.5)
    return [lowered[match] for match in matches]


class FlexDSEError(Exception):
    """Base of every error that is meant for a user."""

    code = "failed"
    exit_code = 1
    http_status = 500

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: Any = NO_VALUE,
        rule: str | None = None,
        hint: str | None = None,
        source: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = value
        self.rule = rule
        self.hint = hint
        self.source = source
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        where = ""
        if self.source:
            source = printable(self.source, _MAX_SOURCE_CHARS)
            where = f"{source}:{self.line}: " if self.line else f"{source}: "
        text = where + self.message
        detail = []
        if self.field:
            detail.append(f"field: {printable(self.field)}")
        if self.value is not NO_VALUE:
            detail.append(f"value: {echo(self.value)}")
        if self.rule:
            detail.append(f"rule: {self.rule}")
        if self.hint:
            detail.append(f"way out: {self.hint}")
        return "\n  ".join([text, *detail])

    def to_problem(self) -> dict[str, Any]:
        """An RFC 9457 problem document."""
        problem: dict[str, Any] = {
            "type": f"urn:flexdse:problem:{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.http_status,
            "detail": self.message,
        }
        error: dict[str, Any] = {}
        if self.field:
            error["field"] = printable(self.field)
        if self.value is not NO_VALUE:
            error["value"] = plain(self.value)
        for name in ("rule", "hint", "source", "line"):
            if getattr(self, name) is not None:
                error[name] = getattr(self, name)
        if error:
            problem["errors"] = [error]
        return problem


def _restored(kind: type[FlexDSEError], args: tuple[Any, ...]) -> FlexDSEError:
    """An error on its way through copy or pickle, whatever arguments its class takes."""
    error = kind.__new__(kind)
    error.args = args
    return error


class InputError(FlexDSEError, ValueError):
    """The user's input breaks a rule.

    A ValueError, so that pydantic adds the place in the document when a validator raises it.
    """

    code = "bad_input"
    exit_code = 2
    http_status = 422


class InputErrors(InputError):
    """Several broken rules of one document, reported together."""

    def __init__(self, errors: list[InputError]) -> None:
        if not errors:
            raise ValueError("InputErrors needs at least one error")
        first = errors[0]
        super().__init__(
            first.message,
            field=first.field,
            value=first.value,
            rule=first.rule,
            hint=first.hint,
            source=first.source,
            line=first.line,
        )
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def to_problem(self) -> dict[str, Any]:
        problem = self.errors[0].to_problem()
        problem["detail"] = "; ".join(error.message for error in self.errors)
        problem["errors"] = [entry for error in self.errors for entry in error.to_problem().get("errors", [])]
        return problem


class UnknownNameError(InputError):
    """A name that is in no catalog or registry; the nearest known names are offered."""

    code = "unknown_name"

    def __init__(
        self, kind: str, name: object, known: Iterable[str], *, field: str | None = None, hint: str = ""
    ) -> None:
        self.known = sorted(known)
        near = nearest_names(str(name), self.known)
        way_out = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(self.known) or 'none'}."
        if hint:
            way_out = f"{way_out} {hint}"
        super().__init__(
            f"unknown {kind} {echo(name)}",
            field=field or kind,
            value=name,
            rule=f"must be the name of a known {kind}",
            hint=way_out,
        )


class UnsupportedModelError(InputError):
    """A model feature that no module of ours implements, refused by name."""

    code = "unsupported_model"


class InfeasibleError(FlexDSEError):
    """No design meets the constraints."""

    code = "infeasible"
    exit_code = 3
    http_status = 409


class ToolNotFoundError(FlexDSEError):
    """A program that this step needs is not installed."""

    code = "tool_not_found"
