"""Progress of a search: at most a few reports a second, and the wish to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from spec.design_batch import FloatArray
from spec.errors import FlexDSEError
from spec.exploration_result import ExplorationProgress

MIN_INTERVAL_S = 0.2
MAX_FRONT_POINTS = 500  # of a progress report; the whole front comes with the result

OnProgress = Callable[[ExplorationProgress], None]
ShouldStop = Callable[[], bool]


class SearchStopped(FlexDSEError):
    """The caller asked the search to stop."""

    code = "stopped"


class Reporter:
    """Passes progress on, thinned in time and in points."""

    def __init__(
        self,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
        total: int,
        *,
        legal_designs: int | None = None,
        volume: Callable[[FloatArray], float | None] | None = None,
    ) -> None:
        """`volume` gives the hypervolume of natural objective values."""
        self._on_progress, self._should_stop, self._total = on_progress, should_stop, total
        self._legal_designs, self._volume = legal_designs, volume
        self._started = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def check(self) -> None:
        """Raise SearchStopped if the caller wants to stop."""
        if self._should_stop is not None and self._should_stop():
            raise SearchStopped("the search was stopped before its end", hint="start it again")

    def report(
        self,
        phase: str,
        evaluations: int,
        feasible: int,
        front: Callable[[], FloatArray],
        *,
        force: bool = False,
        hypervolume: float | None = None,
    ) -> None:
        """Report if the last report is long enough ago. `front` gives natural objective values when it is needed."""
        self.check()
        now = time.monotonic()
        if self._on_progress is None or not (force or now - self._last >= MIN_INTERVAL_S):
            return
        self._last = now
        rate = evaluations / max(now - self._started, 1e-9)
        points = front()
        if hypervolume is None and self._volume is not None and len(points):
            hypervolume = self._volume(points)
        step = max(1, -(-len(points) // MAX_FRONT_POINTS))
        self._on_progress(
            ExplorationProgress(
                phase=phase,
                evaluations=evaluations,
                total=self._total,
                designs_per_s=rate,
                eta_s=max(0.0, (self._total - evaluations) / rate) if rate > 0 else None,
                feasible_fraction=feasible / evaluations if evaluations else None,
                front=tuple(tuple(float(v) for v in row) for row in points[::step]),
                hypervolume=hypervolume,
                legal_designs=self._legal_designs,
                elapsed_s=now - self._started,
                front_size=len(points),
            )
        )
