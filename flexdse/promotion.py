"""Promotion with the tools of this installation: the rungs that the generator and its tool drivers can run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dse.explore import search_arms
from dse.objectives import Goals
from dse.promotion import Promotion, RungResult, RungRunner, promote
from dse.shortlist import shortlist
from spec.design_point import DesignPoint
from spec.documents import envelope
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult


def runners(request: ExplorationRequest, projects: Path) -> dict[str, RungRunner]:
    """What runs each rung, on projects generated under `projects`."""
    from hls_gen.project import generate_project
    from hls_gen.toolchain.csim import run_csim

    def csim(design: DesignPoint) -> RungResult:
        folder = projects / design.canonical_key()
        generate_project(design, request.model, request.device, request.workload, folder, force=True)
        report = run_csim(folder)
        return RungResult(report.passed, report.summary_line())

    return {"csim": csim}


def error_bands(result: ExplorationResult) -> dict[str, float]:
    """Half-widths (fractions) of the error bands of the metrics, from the report of one design of the front."""
    from cost_models.report import evaluate_point

    request = result.request
    report = evaluate_point(result.front[0].design, request.model, request.device, request.workload)
    return {name: max(abs(band.relative_low), abs(band.relative_high)) for name, band in report.error_band.items()}


def promote_result(
    result: ExplorationResult, count: int, rungs: Mapping[str, int], projects: Path | None = None
) -> Promotion:
    """Shortlist `count` designs of a front and send them up the ladder.

    Raises:
        InputError: a rung that nothing here runs.
    """
    request = result.request
    picks = shortlist(result.front, request.objectives, count, error_bands(result) if result.front else None)
    with tempfile.TemporaryDirectory(prefix="flexdse-promotion-") as scratch:
        where = projects if projects is not None else Path(scratch)
        return promote(
            result.front,
            picks,
            Goals.of_request(request),
            search_arms(request)[0].context,
            rungs,
            runners(request, where),
        )


def promotion_document(promotion: Promotion, result: ExplorationResult) -> dict[str, Any]:
    """promotion.json: each climb with its reason and what the rungs said, the front before and after."""
    table = promotion.calibration
    return {
        **envelope("promotion/v1"),
        "climbs": [
            {
                "index": climb.pick.index,
                "design_key": climb.entry.design.canonical_key(),
                "reason": climb.pick.reason,
                "rungs": [
                    {"rung": rung, "passed": said.passed, "detail": said.detail, "measurements": len(said.measurements)}
                    for rung, said in climb.rungs.items()
                ],
            }
            for climb in promotion.climbs
        ],
        "measurements": sum(len(said.measurements) for climb in promotion.climbs for said in climb.rungs.values()),
        "calibration_key": None if table is None else table.key(),
        "reason": promotion.reason,
        "front_before": list(promotion.before),
        "front_after": list(promotion.after),
        "calibrated_metrics": [] if table is None else list(promotion.calibrated),
    }
