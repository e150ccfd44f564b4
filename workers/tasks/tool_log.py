"""Where the tools of a job print: to stderr, which the worker stores as the log of the job."""

from __future__ import annotations

import sys


def tool_log(line: str) -> None:
    """One line of a tool."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
