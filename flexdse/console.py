"""What commands print: one JSON document or text on stdout, everything else on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Collection
from typing import Any, TextIO

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


def table(rows: list[list[str]], header: list[str], text: Collection[str] = ()) -> str:
    """Columns aligned by spaces: the first and those named in `text` to the left, numbers to the right.

    On a terminal that is too narrow, the last column is wrapped if it holds text.
    """
    left = [i == 0 or name in text for i, name in enumerate(header)]
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    if left[-1]:
        widths[-1] = min(widths[-1], max(20, _columns(sys.stdout) - sum(widths[:-1]) - 2 * (len(widths) - 1)))

    def lines(cells: list[str]) -> list[str]:
        padded = [c.ljust(w) if to_left else c.rjust(w) for c, w, to_left in zip(cells, widths, left, strict=True)]
        before = "  ".join(padded[:-1])
        last = (
            textwrap.wrap(cells[-1], widths[-1], break_on_hyphens=False)
            if left[-1] and len(cells[-1]) > widths[-1]
            else [padded[-1]]
        )
        indent = " " * len(before)
        return [f"{before if i == 0 else indent}  {part}".rstrip() for i, part in enumerate(last)]

    rules = ["-" * w for w in widths]
    return "\n".join(line for row in [header, rules, *rows] for line in lines(row))


def emit_item(text: str, mark: str = "  - ") -> None:
    """A line of a list, wrapped and indented on a terminal."""
    emit(_item(text, mark, _columns(sys.stdout)))


def note_item(text: str, mark: str = "  - ") -> None:
    """The same on stderr."""
    note(_item(text, mark, _columns(sys.stderr)))


def _item(text: str, mark: str, width: int) -> str:
    if len(mark) + len(text) <= width:
        return mark + text
    return textwrap.fill(
        text,
        width,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns(stream: TextIO) -> int:
    """The width of the terminal; without end where the output is no terminal, so that lines stay whole for grep."""
    return max(60, shutil.get_terminal_size().columns) if stream.isatty() else sys.maxsize


def report_error(error: FlexDSEError, *, as_json: bool) -> None:
    """An error on stderr: a problem document with --json, else the message with field, value, rule and way out."""
    if as_json:
        sys.stderr.write(json.dumps(error.to_problem(), indent=2) + "\n")
    else:
        sys.stderr.write(f"error: {error}\n")
