"""Reads the file of a report: only a regular file of text, and never more than a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from hls_gen.reports.errors import unreadable

MAX_REPORT_BYTES = 64 * 2**20  # the largest csynth.xml seen has 3 MB

_EXPECTED = "a report of Vivado HLS, Vitis HLS or Vivado: UTF-8 text, .xml or .rpt"


class ReportText(NamedTuple):
    """A report's file and its text."""

    path: Path
    text: str


def read_report(path: Path) -> ReportText:
    """The text of a report.

    Raises:
        ReportUnreadableError: it is no file, too large, or not text.
    """
    path = Path(path)
    try:
        # A pipe without a writer would block in open().
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise unreadable(path, f"can not be read: {reason}", _EXPECTED, "check the path and its permissions") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise unreadable(
                path, "is a folder", _EXPECTED, "name the report in the folder, such as syn/report/csynth.xml"
            )
        raise unreadable(path, "is no regular file", _EXPECTED, "copy the report to a file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_REPORT_BYTES + 1)
    if not content.strip():
        raise unreadable(path, "is empty", _EXPECTED, "run the tool again: it ended before it wrote the report")
    if len(content) > MAX_REPORT_BYTES:
        raise unreadable(
            path, "is too large for a report", f"at most {MAX_REPORT_BYTES >> 20} MiB", "give the report itself"
        )
    if b"\0" in content:
        raise unreadable(path, "is a binary file", _EXPECTED, "give the report as text, unpacked")
    try:
        return ReportText(path, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise unreadable(path, "is not UTF-8 text", _EXPECTED, "give the report as the tool wrote it") from error
