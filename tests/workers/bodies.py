"""Bodies of jobs for tests: they take seconds as told, and keep a journal that no database has a say on.

The name of the exploration tells them what to do: `seconds|journal file`.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spec import catalog
from spec.documents import envelope
from spec.errors import InfeasibleError

STEPS_PER_S = 20


def _journal(path: str, line: str) -> None:
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{line} {os.getpid()}\n".encode())
        os.close(descriptor)


def _orders(job_input: dict[str, Any]) -> tuple[float, str]:
    seconds, _, journal = job_input["request"]["name"].partition("|")
    return float(seconds or 0), journal


def progress(step: int, steps: int) -> dict[str, Any]:
    return {
        "phase": "enumerate",
        "evaluations": step * 1000,
        "total": steps * 1000,
        "designs_per_s": 20000.0,
        "eta_s": (steps - step) / STEPS_PER_S,
        "feasible_fraction": 0.5,
        "front": [[1.5, 0.006 + index / 1000, 0.1, 0.5] for index in range(step)],
        "hypervolume": None,
        "elapsed_s": step / STEPS_PER_S,
        "front_size": step,
    }


def result(designs: int = 3) -> dict[str, Any]:
    design = catalog.load_design("flexllm-u280").model_dump(mode="json", by_alias=True)
    front = []
    for index in range(designs):
        changed = {**design, "prefill": {**design["prefill"], "token_parallelism": 8 + index}}
        front.append({"design": changed, "metrics": {"ttft_s": 1.6 + index, "tpot_s": 0.007, "quality": None}})
    return {
        "versions": envelope("exploration-result/v1"),
        "front": front,
        "record": {
            "exact_hypervolume": None,
            "hypervolume_ratio": None,
            "space_size": 1000,
            "evaluations": 1000,
            "feasible_evaluations": 500,
            "seconds": 0.5,
            "designs_per_s": 2000.0,
            "exact": True,
            "stages": [],
            "hypervolume": 0.5,
            "reference_point": [1.0, 1.0, 1.0, 1.0],
            "ideal_point": [0.0, 0.0, 0.0, 0.0],
            "missing": {"quality": "not modelled yet"},
        },
    }


def timed(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Takes the seconds that it was told, reporting often, and finds a front."""
    seconds, journal = _orders(job_input)
    _journal(journal, "start")
    steps = max(1, round(seconds * STEPS_PER_S))
    for step in range(1, steps + 1):
        report(progress(step, steps))
        time.sleep(seconds / steps)
    _journal(journal, "end")
    return result()


def infeasible(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    raise InfeasibleError("no design fits", field="device", value="u280", rule="must fit", hint="take a larger card")


def broken(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    raise KeyError("a secret of the inside")


def killed(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Dies as by the system's out-of-memory killer."""
    _journal(_orders(job_input)[1], "start")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def killed_at_first(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    journal = _orders(job_input)[1]
    if not Path(journal).exists():
        return killed(job_input, report)
    return timed(job_input, report)


def unusable(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    return {**result(), "record": {"space_size": "many"}}


def not_a_number(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    return {**result(), "extra": float("nan")}


def silent(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    time.sleep(2.5)
    return result()


def with_file(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    (Path(job_input["folder"]) / "front.arrow").write_bytes(b"arrow")
    return {**result(), "files": [{"path": "front.arrow", "media_type": "application/vnd.apache.arrow.stream"}]}


def outside(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    return {**result(), "files": [{"path": "../../../../../../etc/passwd", "media_type": "text/plain"}]}


def greedy(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Takes more and more, far above any limit of a test and below what a machine has."""
    taken = [bytearray(b"x") * 2**24 for _ in range(100)]
    return {**result(), "taken": len(taken)}


def greedy_together(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Several processes, each with as much as is allowed to one."""
    program = "b = bytearray(b'x') * (250 * 2**20); input()"
    together = [subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) for _ in range(3)]
    for process in together:
        process.wait(600)
    return result()


def with_tools(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Runs a tool as ours are run, which starts parts of its own, one of them in a session of its own."""
    from hls_gen.toolchain.processes import run_program

    seconds, journal = _orders(job_input)
    part = f"echo part $$ >> {journal}; sleep 3600"
    script = f"sh -c '{part}' & setsid sh -c '{part}' & wait"
    _journal(journal, "start")
    run_program(["sh", "-c", script], Path.cwd(), time.monotonic() + (seconds or 3600))
    return result()


def says_its_cores(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    sys.stderr.write(f"cores {len(os.sched_getaffinity(0))} threads {os.environ['OMP_NUM_THREADS']}\n")
    return result()


def generate(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    folder = Path(job_input["folder"])
    with zipfile.ZipFile(folder / "project.zip", "w") as archive:
        archive.writestr("main.cpp", "int main() {}")
    manifest = {"seed": job_input["seed"], "model": job_input["model"]["name"]}
    return {"manifest": manifest, "files": [{"path": "project.zip", "media_type": "application/zip"}]}


def csim(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    folder = Path(job_input["folder"])
    with zipfile.ZipFile(folder / "project.zip") as archive:
        sources = archive.namelist()
    subprocess.run(["echo", "the tool says: compiling"], check=True)  # as a tool of the job does
    (folder / "reports.zip").write_bytes(b"report")
    return {
        "passed": job_input["options"]["passes"],
        "reports": [{"step": "csim", "document": {"sources": sources}}],
        "files": [{"path": "reports.zip", "media_type": "application/zip"}],
    }


synthesize = csim


def talkative(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Prints, and takes its time to go once it is done."""
    atexit.register(time.sleep, 60)
    sys.stdout.write("a line\n")
    sys.stdout.write("no end")
    return {}


def disk_full(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Finds no room for its files."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
