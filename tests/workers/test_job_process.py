"""A job's process and what it says."""

from __future__ import annotations

import time

import pytest

from workers.job_process import JobProcess


def test_what_a_body_printed_is_there_when_its_result_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # Python then writes to a pipe in blocks
    process = JobProcess("tests.workers.bodies:talkative", {})
    end = time.monotonic() + 60
    messages = []
    while all(message.kind != "result" for message in messages):
        assert time.monotonic() < end, messages
        messages += process.listen(0.1)
    messages += process.rest_of_log()
    process.kill()
    assert [message.data for message in messages if message.kind == "log"][:1] == ["a line"]
