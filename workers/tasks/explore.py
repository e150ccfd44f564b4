"""One exploration: plain data in, plain data out."""

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


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The exploration of `job_input["request"]`; the result says which versions computed it.

    Raises:
        FlexDSEError: the request cannot be met; the job then fails with that as its cause.
    """
    request = ExplorationRequest.model_validate(job_input["request"])

    def on_progress(progress: ExplorationProgress) -> None:
        report(lambda: progress.model_dump(mode="json", by_alias=True))

    found, folder = search(request, on_progress=on_progress), Path(job_input["folder"])
    result = found.result
    verdicts = fits([entry.design for entry in result.front], request.model, request.device, request.workload)
    return {
        "files": [write_front(result.front, verdicts, folder), write_evaluations(Evaluated.of(found), folder)],
        "versions": envelope("exploration-result/v1"),
        "objectives": list(request.objectives),
        "front": [entry.model_dump(mode="json", by_alias=True) for entry in result.front],
        "record": result.record.model_dump(mode="json", by_alias=True),
    }
