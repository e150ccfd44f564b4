"""How a search went: a bounded number of points out of all that it said of its progress, for who comes later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = ("evaluations", "seconds", "hypervolume", "front_size")
# A point is kept when this much time went by since the last: 320 points a day, 500 in half a year.
_STEP_S = 0.2
_STEP_FRACTION = 0.03


class SearchHistory:
    """The points of one attempt, and the last that it said whether it is kept or not."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, ...]] = []
        self._last: tuple[Any, ...] | None = None
        self._saved = 0

    def add(self, progress: Mapping[str, Any]) -> None:
        """Takes an `ExplorationProgress`; one that does not say when it was is left out."""
        seconds = progress.get("elapsed_s")
        if seconds is None:
            return
        self._last = (progress["evaluations"], seconds, progress.get("hypervolume"), progress.get("front_size"))
        if not self._kept or seconds >= self._kept[-1][1] * (1 + _STEP_FRACTION) + _STEP_S:
            self._kept.append(self._last)

    @property
    def is_due(self) -> bool:
        """There is a point that is not stored yet."""
        return len(self._kept) > self._saved

    def document(self, attempt: int) -> dict[str, Any]:
        """The columns as they are stored, the newest point last."""
        points = list(self._kept)
        if self._last is not None and points[-1] is not self._last:
            points.append(self._last)
        columns = {name: [point[place] for point in points] for place, name in enumerate(COLUMNS)}
        return {"attempt": attempt, "columns": columns}

    def saved(self) -> None:
        """The document was stored."""
        self._saved = len(self._kept)
