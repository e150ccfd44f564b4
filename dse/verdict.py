"""The document of `flexdse evaluate`: the prices of a design, and the floorplan of its bitstreams."""

from __future__ import annotations

from typing import Any

from spec.calibration import CalibrationTable
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import ToolNotFoundError
from spec.model_config import ModelConfig
from spec.workload import Workload


def evaluation_with_floorplan(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    swap_s: float | None = None,
    calibration: CalibrationTable | None = None,
    floorplan: bool = True,
) -> dict[str, Any]:
    """The evaluation document with a key `floorplan`: what the exact assignment to SLRs says.

    A refused floorplan is a violation like any other. `floorplan` is null, with the reason as `floorplan_missing`,
    where it was not asked for or the solver is not installed.

    Raises:
        InputError: the workload is longer than the model's context.
        UnknownNameError: the design pins a module or an SLR that does not exist.
    """
    from cost_models.report import evaluate_document

    document = evaluate_document(design, model, device, workload, swap_s=swap_s, calibration=calibration)
    document["floorplan"] = None
    if not floorplan:
        document["floorplan_missing"] = "not asked for"
        return document
    from dse.floorplan import plan_floorplan

    try:
        plan = plan_floorplan(design, model, device, workload)
    except ToolNotFoundError as error:
        document["floorplan_missing"] = f"{error.message}; {error.hint}"
        return document
    document["floorplan"] = plan.model_dump(mode="json")
    if plan.status == "refused":
        shortfalls = [found.model_dump(mode="json") for bitstream in plan.bitstreams for found in bitstream.shortfalls]
        document["violations"] += shortfalls
        document["fit"] = "does_not_fit"
    elif plan.status != "placed" and document["fit"] == "fits":
        document["fit"] = "within_band"
    return document
