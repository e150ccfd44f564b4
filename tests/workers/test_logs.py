from __future__ import annotations

import json
import os
import subprocess
import sys

SCRIPT = """
import logging
from workers.logs import log_to_stderr, logging_about
log_to_stderr()
with logging_about(job_id="0123", attempt=2):
    logging.getLogger("flexdse.worker").info("said %s", "ä\\n")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("flexdse.worker").exception("broken")
logging.getLogger("flexdse.worker").warning("about nothing", extra={"request_id": "r1", "status": 404})
logging.getLogger("celery").info("chatter")
"""


def logged(log_format: str) -> list[str]:
    environment = {**os.environ, "FLEXDSE_LOG": log_format}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr.splitlines()


def test_json_lines_say_which_job_they_are_about() -> None:
    lines = [json.loads(line) for line in logged("json")]
    assert [line["message"] for line in lines] == ["said ä\n", "broken", "about nothing"]
    assert [(line.get("job_id"), line.get("attempt")) for line in lines] == [("0123", 2), ("0123", 2), (None, None)]
    assert [line["level"] for line in lines] == ["info", "error", "warning"]
    assert "ZeroDivisionError" in lines[1]["traceback"]
    assert lines[0]["time"].endswith("+00:00")
    assert [(line.get("request_id"), line.get("status")) for line in lines] == [(None, None), (None, None), ("r1", 404)]
    about = {"job_id", "attempt", "traceback", "request_id", "status"}
    assert {name for line in lines for name in line} == {"time", "level", "logger", "message", "pid"} | about


def test_lines_to_read() -> None:
    lines = logged("")
    assert "INFO flexdse.worker: said ä" in lines[0]
    assert any("ZeroDivisionError" in line for line in lines)
