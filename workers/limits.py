"""What one job may use: cores, memory, time."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spec.errors import InputError

CAUSE_MEMORY = "memory_limit"
CAUSE_TIME = "time_limit"
CAUSE_DISK = "disk_full"

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_THREADS_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits of one job with all that it starts; None: no limit."""

    cpus: int | None = None
    memory_bytes: int | None = None
    time_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("cpus", "memory_bytes", "time_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError("a limit that nothing fits", field=name, value=value, rule="must be above 0")

    @staticmethod
    def of(document: Mapping[str, Any] | None) -> JobLimits:
        """The limits that a job was submitted with.

        Raises:
            InputError: an unknown limit, or one that nothing fits.
        """
        given = dict(document or {})
        unknown = set(given) - {"cpus", "memory_bytes", "time_s"}
        if unknown:
            raise InputError(
                "an unknown limit", field="limits", value=sorted(unknown)[0], rule="cpus, memory_bytes or time_s"
            )
        return JobLimits(**given)

    def within(self, worker: JobLimits) -> JobLimits:
        """These, where the worker allows as much; what is not given is as the worker has it."""

        def least(mine: Any, its: Any) -> Any:
            return its if mine is None else mine if its is None else min(mine, its)

        return JobLimits(
            least(self.cpus, worker.cpus),
            least(self.memory_bytes, worker.memory_bytes),
            least(self.time_s, worker.time_s),
        )

    def apply_here(self) -> None:
        """Binds this process, and all that it will start, to the limits that the kernel keeps for each process.

        The sum over all processes of a job is watched by the worker (`resident_bytes`): without cgroups, which need
        rights that we do not ask for, no limit of the kernel covers a group.
        """
        if self.memory_bytes is not None:
            # Not the address space: libraries reserve far more of that than they ever use.
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            wanted = self.memory_bytes if hard == resource.RLIM_INFINITY else min(self.memory_bytes, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
        if self.cpus is not None:
            allowed = sorted(os.sched_getaffinity(0))
            if self.cpus < len(allowed):
                # By our number, so that jobs side by side do not all sit on the first cores.
                first = os.getpid() % len(allowed)
                os.sched_setaffinity(0, {allowed[(first + i) % len(allowed)] for i in range(self.cpus)})
            for name in _THREADS_VARIABLES:
                os.environ[name] = str(min(self.cpus, len(allowed)))


def descendants(pid: int) -> list[int]:
    """A process and all that it started, directly or not."""
    found = [pid]
    for parent in found:  # grows while it is walked
        with suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


def resident_bytes(pid: int) -> int:
    """Memory of a process and of all that it started; shared pages count once for each."""
    total = 0
    for member in descendants(pid):
        with suppress(OSError, IndexError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return total * _PAGE_BYTES
