"""`flexdse intervals PATH`: initiation intervals derived from HLS C++, beside those that its pragmas ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.console import emit, emit_json, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.interval_report import IntervalReport


def intervals(
    path: Annotated[Path, typer.Argument(help="A generated project, or one HLS C++ file of any origin.")],
    include: Annotated[list[Path] | None, typer.Option(help="Folder with further headers; may be repeated.")] = None,
    unsafe_math: Annotated[
        bool, typer.Option("--unsafe-math", help="Sums may be reordered, as config_compile -unsafe_math_optimizations.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List the loops that meet their request too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Derives each loop's initiation interval from its recurrences, memory ports and stream accesses.

    Pragmas are read for what they ask, never believed. Exit code 1 if a loop cannot have the interval it asks for.
    """
    from hls_gen.intervals.report import interval_report

    found = interval_report(path, include or (), unsafe_math)
    if as_json:
        from spec.documents import envelope

        data = found.model_dump(mode="json", by_alias=True)
        data.pop("schema")
        emit_json({**envelope("interval_report/v1"), **data})
    else:
        _show(found, everything)
    if found.missed:
        raise typer.Exit(1)


def _show(found: IntervalReport, everything: bool) -> None:
    judged = [loop for loop in found.loops if loop.derived is not None]
    shown = found.loops if everything else tuple(loop for loop in found.loops if loop.missed or loop.derived is None)
    rows = [
        [
            loop.place,
            loop.function,
            str(loop.requested or "-"),
            str(loop.derived or "unknown"),
            loop.reason or "-",
        ]
        for loop in shown
    ]
    if rows:
        emit(table(rows, ["loop", "function", "asked", "derived", "because"], text=("function", "because")))
    emit(
        f"{len(judged)} of {len(found.loops)} loops judged, {len(found.missed)} cannot have the interval they ask for, "
        f"{len(found.unknown)} unknown ({found.compiler})"
    )
