"""What a search does, as lines of the log of its job: the words of `flexdse explore`, while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress

FIRST_PAUSE_S = 1.0
PAUSE_GROWTH = 1.3  # a search of a day has some 50 lines a phase

_STAGES = ("decode", "prefill")


class SearchLog:
    """Writes a line where the phase turns, and the seldomer the longer it goes on."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._phase: tuple[str, str | None] | None = None
        self._pause_s = FIRST_PAUSE_S
        self._next_s = 0.0

    def begin(self, request: ExplorationRequest) -> None:
        """What is searched."""
        task = request.workload
        self._write(
            f"searching by {request.method}: {request.model.name} on {request.device.name}, {task.prompt_tokens:,} prompt "
            f"and {task.output_tokens:,} output tokens, for {', '.join(request.objectives)}"
        )

    def show(self, progress: ExplorationProgress) -> None:
        """A line on `progress`, where it is time for one."""
        if progress.phase == "done":
            return
        now, phase = self._clock(), (progress.phase, progress.detail)
        if phase != self._phase:
            self._phase, self._pause_s = phase, FIRST_PAUSE_S
        elif now < self._next_s:
            return
        self._next_s = now + self._pause_s
        self._pause_s *= PAUSE_GROWTH
        self._write(_line(progress))


def _line(progress: ExplorationProgress) -> str:
    if progress.phase == "yardstick":
        return f"solving the exact front of the same space, to measure this search against: {progress.detail}"
    if progress.phase == "floorplan":
        return f"checking the front on the SLRs: {progress.detail}"
    of = "" if progress.total is None else f" of {progress.total:,}"
    what = f"{progress.phase} designs" if progress.phase in _STAGES else f"designs by {progress.phase}"
    feasible = "" if progress.feasible_fraction is None else f", {progress.feasible_fraction:.1%} feasible"
    best = ", ".join(f"{name} {value:.4g}" for name, value in (progress.best or {}).items())
    return (
        f"pricing {what}: {progress.evaluations:,}{of}{feasible}, {progress.front_size or 0:,} on the front so far"
        + (f", best {best}" if best else "")
    )
