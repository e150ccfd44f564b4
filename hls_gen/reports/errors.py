"""Errors of reading reports: each names the file, what was expected and a way out."""

from __future__ import annotations

from pathlib import Path

from spec.errors import InputError, echo


class ReportUnreadableError(InputError):
    """A file that is no report, or not a whole one."""

    code = "report_unreadable"


class ReportMismatchError(InputError):
    """A report of another part, clock or kernel than the project it should belong to."""

    code = "report_mismatch"
    http_status = 409


def unreadable(path: Path, problem: str, expected: str, way_out: str, line: int | None = None) -> ReportUnreadableError:
    """The error for the file at `path`, which `problem` (as in: `x.xml` is truncated)."""
    return ReportUnreadableError(
        f"{echo(path.name or str(path))} {problem}",
        field="report",
        value=str(path),
        rule=expected,
        hint=way_out,
        source=str(path),
        line=line,
    )
