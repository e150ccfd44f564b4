"""Body of an exploration that keeps a million priced designs behind its front, where the worker's keeps 100,000.

All else is the worker's: the search, the pricing of each design, the files and their publication.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cost_models.fits import fits
from dse.evaluated import Evaluated
from dse.explore import search
from spec.documents import envelope
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress
from workers.tasks.evaluations_file import write_evaluations
from workers.tasks.front_table import write_front

DESIGNS = 1_000_000
BODY = {"explore": "benchmarks.million:run"}


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """As `workers.tasks.explore.run`, with the larger table."""
    request = ExplorationRequest.model_validate(job_input["request"])

    def on_progress(progress: ExplorationProgress) -> None:
        report(lambda: progress.model_dump(mode="json", by_alias=True))

    found, folder = search(request, on_progress=on_progress), Path(job_input["folder"])
    front = found.result.front
    verdicts = fits([entry.design for entry in front], request.model, request.device, request.workload)
    return {
        "files": [write_front(front, verdicts, folder), write_evaluations(Evaluated.of(found, DESIGNS), folder)],
        "versions": envelope("exploration-result/v1"),
        "objectives": list(request.objectives),
        "front": [entry.model_dump(mode="json", by_alias=True) for entry in found.result.front],
        "record": found.result.record.model_dump(mode="json", by_alias=True),
    }
