"""What a job may use, kept by the kernel and by the worker."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from db.job_state import JobState
from spec.errors import InputError
from workers.limits import JobLimits, resident_bytes

MIB = 2**20


def test_the_stricter_limit_holds() -> None:
    worker = JobLimits(cpus=4, memory_bytes=1000)
    assert JobLimits(cpus=8, time_s=5.0).within(worker) == JobLimits(4, 1000, 5.0)
    assert JobLimits(cpus=2, memory_bytes=10).within(worker) == JobLimits(2, 10, None)
    assert JobLimits().within(JobLimits()) == JobLimits()


@pytest.mark.parametrize("document", [{"cpus": 0}, {"memory_bytes": -1}, {"time_s": float("nan")}, {"disk": 1}])
def test_limits_that_are_none(document: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        JobLimits.of(document)


def test_job_that_needs_too_much_memory_fails_with_that_as_its_cause(bench: Any) -> None:
    job_id = bench.submit()
    bench.worker("greedy", limits=JobLimits(memory_bytes=400 * MIB)).run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause) == (JobState.FAILED, "memory_limit")
    assert "0.39 GiB" in job.error["detail"]


def test_memory_counts_over_all_processes_of_a_job(bench: Any) -> None:
    """Each of them stays within what the kernel allows one."""
    job_id = bench.submit()
    bench.worker("greedy_together", limits=JobLimits(memory_bytes=400 * MIB)).run_one()
    assert (bench.job(job_id).state, bench.job(job_id).cause) == (JobState.FAILED, "memory_limit")


def test_job_that_takes_too_long(bench: Any) -> None:
    job_id = bench.submit(120)
    bench.worker("timed", limits=JobLimits(time_s=0.5)).run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause, job.attempt) == (JobState.FAILED, "time_limit", 1)
    assert len(bench.journal_lines("end")) == 0


def test_limit_of_one_job(bench: Any) -> None:
    """Submitted with the job; the worker itself has none."""
    job_id = bench.submit(120)
    with bench.database.write() as work:
        work.jobs.get(job_id).limits = {"time_s": 0.5, "cpus": 1}
    bench.worker("timed").run_one()
    assert bench.job(job_id).cause == "time_limit"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be divided")
def test_cores_are_allotted(bench: Any) -> None:
    job_id = bench.submit()
    bench.worker("says_its_cores", limits=JobLimits(cpus=1)).run_one()
    with bench.database.read() as work:
        assert [line.text for line in work.job_logs.read(job_id, 0, 10)] == ["cores 1 threads 1"]


def test_resident_memory_is_that_of_the_whole_family() -> None:
    script = "import subprocess, sys; b = bytearray(50 * 2**20); subprocess.run([sys.executable, '-c', sys.argv[1]])"
    child = "b = bytearray(b'x') * (50 * 2**20); print('ready', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script, child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert 60 * MIB < resident_bytes(process.pid) < 400 * MIB
    process.communicate(b"\n")
