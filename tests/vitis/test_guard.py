"""Nothing of a tool outlives its runner: not the tool, not its detached children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from hls_gen.toolchain.vitis.errors import SynthesisStepError
from hls_gen.toolchain.vitis.runner import Ended, await_end_of_tool, run_guarded

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn

ROOT = Path(__file__).parents[2]
PATIENCE_S = 15.0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def guarded(tmp_path: Path, script: str, **options: object) -> Ended:
    given: dict[str, object] = {"timeout_s": 20.0, "memory_limit_bytes": None, "on_log": None, "cancel": None}
    return run_guarded(
        ["/bin/sh", "-c", script], tmp_path, log_file=tmp_path / "a.log", lock=tmp_path / "lock", **{**given, **options}
    )  # type: ignore[arg-type]


def test_exit_code_and_log(tmp_path: Path) -> None:
    lines: list[str] = []
    ended = guarded(tmp_path, "echo one; echo two >&2; printf three; exit 7", on_log=lines.append)
    assert (ended.how, ended.code) == ("exit", 7)
    assert lines == ["one", "two", "three"]
    assert (tmp_path / "a.log").read_text() == "one\ntwo\nthree\n"
    assert not (tmp_path / "a.status").exists()


def test_signal(tmp_path: Path) -> None:
    ended = guarded(tmp_path, "kill -SEGV $$")
    assert (ended.how, ended.code) == ("signal", signal.SIGSEGV)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    given = {"timeout_s": 20.0, "memory_limit_bytes": None, "on_log": None, "cancel": None}
    ended = run_guarded(
        [str(tmp_path / "none")], tmp_path, log_file=tmp_path / "a.log", lock=tmp_path / "lock", **given
    )  # type: ignore[arg-type]
    assert (ended.how, ended.code) == ("exit", 127)


def test_what_the_tool_leaves_running_goes_with_it(tmp_path: Path) -> None:
    script = "setsid sleep 300 & echo $! > left; setsid sh -c 'sleep 300 & echo $! > deeper; exit 0'; exit 0"
    ended = guarded(tmp_path, script)
    assert (ended.how, ended.code) == ("exit", 0)
    assert ended.seconds < PATIENCE_S
    for name in ("left", "deeper"):
        assert not alive(int((tmp_path / name).read_text()))


def test_cancel(tmp_path: Path) -> None:
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    ended = guarded(tmp_path, "setsid sleep 300 & echo $! > left; wait", cancel=cancel)
    assert ended.how == "cancelled"
    assert not alive(int((tmp_path / "left").read_text()))


def test_a_killed_reaper_takes_the_tool_along(tmp_path: Path) -> None:
    script = "setsid sleep 300 & echo $! > left; echo $$ > tool; kill -KILL $PPID; sleep 300"
    ended = guarded(tmp_path, script)
    assert ended.how == "unknown"
    for name in ("left", "tool"):
        pid = int((tmp_path / name).read_text())
        wait_for(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def test_kill_of_the_runner(tools: StandIn, project: Path) -> None:
    """kill -9 of the runner: tool and grandchild die, the run counts as lost, a retry goes on from the last good step."""
    tools.modes(csynth="hang")
    call = (
        "import sys; from pathlib import Path; from hls_gen.toolchain.vitis import *; "
        "synthesize_project(Path(sys.argv[1]), SynthesisOptions(steps=('csim', 'csynth')))"
    )
    runner = subprocess.Popen([sys.executable, "-c", call, str(project)], cwd=ROOT)
    try:
        wait_for(lambda: len(tools.pids) == 2)
        tool, child = tools.pids
        assert alive(tool)
        assert alive(child)
    finally:
        runner.kill()
        runner.wait()
    wait_for(lambda: not alive(tool) and not alive(child))
    assert await_end_of_tool(project / "build/vitis/prefill/.tool.lock")

    tools.modes()
    tools.forget()
    log: list[str] = []
    report = synthesize_project(project, SynthesisOptions(steps=("csim", "csynth")), on_log=log.append)[1]
    assert tools.calls == ["csynth prefill", "csynth decode"]  # csim was done
    assert [(kernel.attempt, kernel.lost_attempts) for kernel in report.kernels] == [(2, 1), (1, 0)]
    assert any("attempt 1 was lost" in line for line in log)


def test_a_retry_waits_until_the_killed_tool_is_gone(old_tools: StandIn, project: Path) -> None:
    """At once after the kill, with no pause: two tools never work in one folder."""
    old_tools.modes(**{"csynth prefill": "hang"})
    call = (
        "import sys; from pathlib import Path; from hls_gen.toolchain.vitis import *; "
        "synthesize_project(Path(sys.argv[1]), SynthesisOptions(steps=('csynth',)))"
    )
    runner = subprocess.Popen([sys.executable, "-c", call, str(project)], cwd=ROOT)
    wait_for(lambda: len(old_tools.pids) == 2)
    old_tools.modes()
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert synthesize_project(project, SynthesisOptions(steps=("csynth",)))[0].passed
    assert not any(map(alive, old_tools.pids))


def test_interrupted_step(old_tools: StandIn, project: Path) -> None:
    """Ctrl-C: nothing is left running, and the step counts as cancelled, not as lost."""
    old_tools.modes(csynth="hang")

    def interrupt(line: str) -> None:
        if "waiting" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize_project(project, SynthesisOptions(steps=("csynth",)), on_log=interrupt)
    assert not any(map(alive, old_tools.pids))
    record = json.loads((project / "build/vitis/prefill/records/csynth.json").read_text())
    assert (record["status"], record["failure"]["cause"]) == ("failed", "cancelled")
    old_tools.modes()
    report = synthesize_project(project, SynthesisOptions(steps=("csynth",)))[0]
    assert (report.kernels[0].attempt, report.kernels[0].lost_attempts) == (2, 0)


def test_cancelled_step(old_tools: StandIn, project: Path) -> None:
    old_tools.modes(csynth="hang")
    cancel = threading.Event()

    def watch(line: str) -> None:
        if "waiting" in line:
            cancel.set()

    with pytest.raises(SynthesisStepError) as caught:
        synthesize_project(project, SynthesisOptions(steps=("csynth",)), on_log=watch, cancel=cancel)
    assert caught.value.cause == "cancelled"
    assert not any(map(alive, old_tools.pids))
