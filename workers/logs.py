"""Logging of the processes that we start: to stderr, in one format."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr() -> None:
    """Sets up the root logger, unless somebody did."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=FORMAT)
    logging.getLogger("alembic").setLevel(logging.WARNING)
