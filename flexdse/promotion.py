"""Promotion with the tools of this installation, and its document."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dse.explore import search_arms
from dse.objectives import Goals
from dse.promotion import Promotion, promote
from dse.shortlist import shortlist
from flexdse.calibration_files import write_calibration
from flexdse.exploration_files import write_document
from flexdse.figures import objective_value
from flexdse.quality_inputs import QualityInputs
from flexdse.rung_results import RungResults
from flexdse.rungs import RUNGS, Bench, kept, missing_rungs
from spec.documents import envelope
from spec.exploration_result import ExplorationResult

CALIBRATION_NAME = "calibration.json"


def error_bands(result: ExplorationResult) -> dict[str, float]:
    """Half-widths (fractions) of the error bands of the metrics, from the report of one design of the front."""
    from cost_models.report import evaluate_point

    request = result.request
    report = evaluate_point(result.front[0].design, request.model, request.device, request.workload)
    return {name: max(abs(band.relative_low), abs(band.relative_high)) for name, band in report.error_band.items()}


def promote_result(
    result: ExplorationResult,
    count: int,
    rungs: Mapping[str, int],
    folder: Path | None = None,
    on_log: Callable[[str], None] = lambda _: None,
    quality: QualityInputs | None = None,
) -> Promotion:
    """Shortlist `count` designs of a front and send them up the ladder.

    `folder`: where projects and results of rungs are kept, so that a promotion that was killed goes on behind the last
    rung that ended; without it they go when this returns.

    Raises:
        InputError: a rung that nothing here runs.
    """
    request = result.request
    picks = shortlist(result.front, request.objectives, count, error_bands(result) if result.front else None)
    with tempfile.TemporaryDirectory(prefix="flexdse-promotion-") as scratch:
        where = Path(scratch) if folder is None else folder
        bench = Bench(request, where / "projects", on_log, quality or QualityInputs())
        results = RungResults(where / "rungs")
        return promote(
            result.front,
            picks,
            Goals.of_request(request),
            search_arms(request)[0].context,
            rungs,
            {name: kept(name, bench, results) for name in rungs if name in RUNGS},
            lambda rung, pick, said: on_log(
                f"{rung} of #{pick.index}: {'ok' if said.passed else 'REFUSED'} ({said.detail})"
            ),
        )


def save_promotion(promotion: Promotion, document: dict[str, Any], folder: Path) -> None:
    """promotion.json, and calibration.json where anything was measured: what `--calibration` takes.

    Raises:
        FlexDSEError: the folder cannot be written.
    """
    if promotion.calibration is not None:
        write_calibration(promotion.calibration, folder / CALIBRATION_NAME, force=True)
    write_document(folder / "promotion.json", document)


def promotion_document(
    promotion: Promotion, result: ExplorationResult, quality: QualityInputs | None = None
) -> dict[str, Any]:
    """promotion.json: each climb with its reason and what the rungs said, the front before and after."""
    table = promotion.calibration
    return {
        **envelope("promotion/v1"),
        "objectives": list(result.request.objectives),
        "climbs": [
            {
                "index": climb.pick.index,
                "design_key": climb.entry.design.canonical_key(),
                "reason": climb.pick.reason,
                "objectives_before": [objective_value(n, climb.entry.metrics) for n in result.request.objectives],
                "rungs": [
                    {
                        "rung": rung,
                        "passed": said.passed,
                        "detail": said.detail,
                        "measurements": [one.model_dump(mode="json") for one in said.measurements],
                    }
                    for rung, said in climb.rungs.items()
                ],
            }
            for climb in promotion.climbs
        ],
        "measurements": sum(len(said.measurements) for climb in promotion.climbs for said in climb.rungs.values()),
        "calibration_key": None if table is None else table.key(),
        "calibration_file": None if table is None else CALIBRATION_NAME,
        "reason": promotion.reason,
        "missing_rungs": missing_rungs(result.request, quality=quality),
        "front_before": list(promotion.before),
        "front_after": list(promotion.after),
        "metrics_after": list(promotion.calibrated),
    }
