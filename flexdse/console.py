"""What commands print: one JSON document or text on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from spec.errors import FlexDSEError


def emit_json(document: Any) -> None:
    """The one JSON document of a command with --json."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def emit(text: str = "") -> None:
    """A line of a command's result."""
    typer.echo(text)


def note(text: str) -> None:
    """A line of information beside the result, on stderr."""
    typer.echo(text, err=True)


def table(rows: list[list[str]], header: list[str]) -> str:
    """Columns aligned by spaces: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *(line(row) for row in rows)])


def report_error(error: FlexDSEError, *, as_json: bool) -> None:
    """An error on stderr: a problem document with --json, else the message with field, value, rule and way out."""
    if as_json:
        sys.stderr.write(json.dumps(error.to_problem(), indent=2) + "\n")
    else:
        sys.stderr.write(f"error: {error}\n")
