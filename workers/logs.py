"""Logging of the processes that we start: to stderr, as lines to read or, with FLEXDSE_LOG=json, as JSON lines."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FORMAT_VARIABLE = "FLEXDSE_LOG"

_about: ContextVar[dict[str, str | int] | None] = ContextVar("about", default=None)


@contextmanager
def logging_about(**what: str | int) -> Iterator[None]:
    """Every line that is logged inside says that it is about this (a job, an attempt)."""
    token = _about.set({**(_about.get() or {}), **what})
    try:
        yield
    finally:
        _about.reset(token)


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def logs_are_json() -> bool:
    """Whether somebody wants them so."""
    return os.environ.get(FORMAT_VARIABLE, "").strip().lower() == "json"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the fields that the one who logs gave along (`extra`)."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            **(_about.get() or {}),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Sets up the root logger, unless somebody did."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if logs_are_json() else logging.Formatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("alembic", "celery", "kombu"):
        logging.getLogger(name).setLevel(logging.WARNING)
