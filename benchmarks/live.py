"""Bodies of explorations that note when their front changed: the real search, and the replay of a recorded one.

Each line of the file that BENCH_LIVE_CHANGES names: `at` (seconds of the wall clock), the `evaluations` and the number of
`points` of the front from then on. What the page shows can so be held against the moment of the change itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import million
from dse.objectives import Goals
from dse.pareto import non_dominated
from spec.design_batch import FloatArray
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress

BODY = {"explore": "benchmarks.live:run"}
CHANGES, RECORDING = "BENCH_LIVE_CHANGES", "BENCH_LIVE_RECORDING"
REPLAY = "Replay"
DESIGNS_PER_S = 100_000
INTERVAL_S = 0.2
MAX_POINTS = 500  # of a progress report, as of a real search


class _Changes:
    """Notes a front that is not the one before."""

    def __init__(self) -> None:
        self._path = Path(os.environ[CHANGES])
        self._last: Any = None

    def note(self, progress: dict[str, Any]) -> None:
        front = progress["front"]
        if len(front) and front != self._last:
            self._last = front
            line = {"at": time.time(), "evaluations": progress["evaluations"], "points": len(front)}
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The search of `benchmarks.million`, or the replay of its designs where the exploration is called so."""
    changes = _Changes()

    def noted(progress: Any) -> None:
        said = progress() if callable(progress) else progress
        changes.note(said)
        report(said)

    request = ExplorationRequest.model_validate(job_input["request"])
    if request.name != REPLAY:
        return million.run(job_input, noted)
    _replay(request, noted)
    # The page is watched while designs come; whoever watches cancels.
    time.sleep(600)
    raise RuntimeError("nobody cancelled the replay")


def _replay(request: ExplorationRequest, say: Callable[[Any], None]) -> None:
    """The recorded designs in their order, so many a second, with the front of those that came so far."""
    columns = list(request.objectives)
    table = pq.read_table(os.environ[RECORDING], columns=[*columns, "feasible"])
    values = np.stack([table.column(name).to_numpy().astype(np.float64) for name in columns], axis=1)
    feasible = table.column("feasible").to_numpy(zero_copy_only=False)
    signs = Goals.of_request(request).signs
    front: FloatArray = np.empty((0, len(columns)))
    step = round(DESIGNS_PER_S * INTERVAL_S)
    began = time.monotonic()
    so_far = 0
    for start in range(0, len(values), step):
        part = values[start : start + step][feasible[start : start + step]]
        so_far += len(part)
        both = np.concatenate([front, part[np.isfinite(part).all(axis=1)]])
        front = both[non_dominated(both * signs)]
        done = start + step
        time.sleep(max(0.0, began + done / DESIGNS_PER_S - time.monotonic()))
        elapsed = time.monotonic() - began
        shown = front[np.argsort(front[:, 0])]
        progress = ExplorationProgress(
            phase="replay",
            evaluations=done,
            total=len(values),
            designs_per_s=done / elapsed,
            eta_s=max(0.0, (len(values) - done) / DESIGNS_PER_S),
            feasible_fraction=so_far / done,
            front=tuple(tuple(float(v) for v in row) for row in shown[:: max(1, -(-len(shown) // MAX_POINTS))]),
            elapsed_s=elapsed,
            front_size=len(front),
        )
        say(progress.model_dump(mode="json", by_alias=True))
