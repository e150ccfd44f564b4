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
        best: Callable[[FloatArray], dict[str, float]] | None = None,
    ) -> None:
        """`volume` gives the hypervolume of natural objective values, `best` the best of each objective."""
        self._on_progress, self._should_stop, self._total = on_progress, should_stop, total
        self._legal_designs, self._volume, self._best = legal_designs, volume, best
        self._started = self._last = time.monotonic()
        self._evaluations, self._feasible, self._pricing_s = 0, 0, 0.0

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
        if evaluations > self._evaluations:
            self._evaluations, self._feasible, self._pricing_s = evaluations, feasible, now - self._started
        if self._on_progress is None or not (force or now - self._last >= MIN_INTERVAL_S):
            return
        self._last = now
        self._tell(phase, evaluations, feasible, front(), hypervolume, None)

    def turn_to(self, phase: str, detail: str, front: FloatArray) -> None:
        """Report a phase that prices nothing, or where it stands. `front`: natural objective values."""
        self.check()
        if self._on_progress is not None:
            self._last = time.monotonic()
            self._tell(phase, self._evaluations, self._feasible, front, None, detail)

    def _tell(
        self,
        phase: str,
        evaluations: int,
        feasible: int,
        points: FloatArray,
        hypervolume: float | None,
        detail: str | None,
    ) -> None:
        assert self._on_progress is not None
        rate = evaluations / max(self._pricing_s, 1e-9)
        if hypervolume is None and self._volume is not None and len(points):
            hypervolume = self._volume(points)
        step = max(1, -(-len(points) // MAX_FRONT_POINTS))
        self._on_progress(
            ExplorationProgress(
                phase=phase,
                evaluations=evaluations,
                total=self._total,
                designs_per_s=rate,
                eta_s=max(0.0, (self._total - evaluations) / rate) if rate > 0 and detail is None else None,
                feasible_fraction=feasible / evaluations if evaluations else None,
                front=tuple(tuple(float(v) for v in row) for row in points[::step]),
                hypervolume=hypervolume,
                legal_designs=self._legal_designs,
                elapsed_s=self.seconds,
                front_size=len(points),
                best=self._best(points) if self._best is not None and len(points) else None,
                detail=detail,
            )
        )
