"""`flexdse front`, `shortlist` and `export`: what is in a finished exploration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson, Server

if TYPE_CHECKING:
    from spec.exploration_result import ExplorationResult

Exploration = Annotated[
    str, typer.Argument(help="Folder of `explore --out`, or with --server the id of an exploration there.")
]
_FORMATS = ("csv", "parquet", "json")


def front(
    exploration: Exploration,
    rows: Annotated[int, typer.Option("--rows", min=2, help="Rows of the table, evenly spread.")] = 20,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Print the front of an exploration."""
    from flexdse.commands.explore import print_front
    from flexdse.exploration_files import exploration_document, front_document
    from flexdse.explorations import find_exploration

    result = find_exploration(exploration, server)
    if as_json:
        emit_json({**exploration_document(result), "front": front_document(result)})
    else:
        print_front(result, rows)


def shortlist(
    exploration: Exploration,
    count: Annotated[int, typer.Option("--count", min=1, help="Designs to pick.")] = 6,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Pick the designs of a front that are worth a dearer look, each with the reason."""
    from dse.shortlist import shortlist as pick
    from flexdse.explorations import find_exploration
    from flexdse.promotion import error_bands
    from spec.documents import envelope

    result = find_exploration(exploration, server)
    names = result.request.objectives
    picks = pick(result.front, names, count, error_bands(result) if result.front else None)
    if as_json:
        emit_json(
            {
                **envelope("shortlist/v1"),
                "objectives": list(names),
                "picks": [
                    {
                        "index": one.index,
                        "reason": one.reason,
                        "design_key": result.front[one.index].design.canonical_key(),
                        "design": result.front[one.index].design.model_dump(mode="json", by_alias=True),
                        "metrics": result.front[one.index].metrics,
                    }
                    for one in picks
                ],
            }
        )
        return
    from flexdse.commands.explore import mixes_schemes
    from flexdse.figures import figure, objective_value

    scheme = ["scheme"] if mixes_schemes(result) else []
    rows = [
        [f"#{one.index}", *(result.front[one.index].design.quant_scheme.name for _ in scheme),
         *(figure(n, objective_value(n, result.front[one.index].metrics)) for n in names), one.reason]
        for one in picks
    ]  # fmt: skip
    emit(table(rows, ["design", *scheme, *names, "why"], [*scheme, "why"]))


def export(
    exploration: Exploration,
    file_format: Annotated[str, typer.Option("--format", help="csv, parquet or json.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="File; standard output if not given.")] = None,
    server: Server = None,
) -> None:
    """Write the front as a table: knobs, clocks and metrics of each design."""
    from flexdse.explorations import find_exploration
    from spec.errors import InputError, UnknownNameError

    if file_format not in _FORMATS:
        raise UnknownNameError("format", file_format, _FORMATS, field="--format")
    if file_format == "parquet" and out is None:
        raise InputError(
            "Parquet is no text",
            field="--out",
            value=None,
            rule="a file for --format parquet",
            hint="give --out FILE",
        )
    result = find_exploration(exploration, server)
    content = exported(result, file_format)
    if out is None:
        sys.stdout.write(content.decode())
        return
    if out.exists():
        raise InputError(
            f"{out} exists already", field="--out", value=str(out), rule="a new file", hint="give another --out"
        )
    out.write_bytes(content)
    note(f"wrote {out}")


def exported(result: ExplorationResult, file_format: str) -> bytes:
    """The front of `result` in a format."""
    import io

    from flexdse.exploration_files import front_document, front_frame

    if file_format == "json":
        import json

        document: list[dict[str, Any]] = front_document(result)
        return (json.dumps(document, indent=1) + "\n").encode()
    frame = front_frame(result)
    if file_format == "csv":
        return str(frame.to_csv()).encode()
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()
