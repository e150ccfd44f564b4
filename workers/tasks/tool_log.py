"""Where a job and its tools print: to stderr, which the worker stores as the log of the job."""

from __future__ import annotations

import sys
from pathlib import Path


def tool_log(line: str) -> None:
    """One line of a tool, or of the job itself."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def log_file(path: Path, holds: str = "") -> None:
    """That a file is written."""
    tool_log(f"wrote {path.name}{f': {holds}' if holds else ''}, {path.stat().st_size:,} bytes")
