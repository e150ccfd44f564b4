"""The demonstration in docs/operations.md, run as it stands there: a job by curl, its worker killed, the job finished."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
PORT = "8321"


@pytest.mark.needs_program("curl", "pgrep")
def test_job_outlives_its_worker(tmp_path: Path) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    assert script.count(PORT) == 3
    bin_folder = Path(sys.executable).parent
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script.replace(PORT, port)],
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=600)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, printed
    told = [line for line in printed.splitlines() if line.startswith('"')]
    assert told == ['"state":"running"', '"attempt":2', '"state":"succeeded"']
