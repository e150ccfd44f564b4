"""One exploration: plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cost_models.fits import fits
from dse.evaluated import Evaluated
from dse.explore import search
from dse.record_text import record_lines
from spec.documents import envelope
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationProgress
from workers.tasks.evaluations_file import write_evaluations
from workers.tasks.front_table import write_front
from workers.tasks.search_log import SearchLog
from workers.tasks.tool_log import log_file, tool_log


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The exploration of `job_input["request"]`; the result says which versions computed it.

    Raises:
        FlexDSEError: the request cannot be met; the job then fails with that as its cause.
    """
    request = ExplorationRequest.model_validate(job_input["request"])
    log = SearchLog(tool_log)

    def on_progress(progress: ExplorationProgress) -> None:
        log.show(progress)
        report(lambda: progress.model_dump(mode="json", by_alias=True))

    log.begin(request)
    found, folder = search(request, on_progress=on_progress), Path(job_input["folder"])
    result = found.result
    for line in record_lines(result):
        tool_log(line)
    verdicts = fits([entry.design for entry in result.front], request.model, request.device, request.workload)
    front_file = write_front(result.front, verdicts, folder)
    log_file(folder / front_file["path"], f"{len(result.front):,} designs of the front")
    tool_log("pricing the designs behind the front with all their metrics")
    evaluated = Evaluated.of(found)
    evaluations_file = write_evaluations(evaluated, folder)
    log_file(folder / evaluations_file["path"], f"{len(evaluated):,} designs behind it")
    return {
        "files": [front_file, evaluations_file],
        "versions": envelope("exploration-result/v1"),
        "objectives": list(request.objectives),
        "front": [entry.model_dump(mode="json", by_alias=True) for entry in result.front],
        "record": result.record.model_dump(mode="json", by_alias=True),
    }
