"""The three-state verdict on many designs at once, as `flexdse evaluate` gives it on one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cost_models.evaluate import (
    Context,
    decode_constraints,
    pair_constraints,
    prefill_constraints,
    price_decode,
    price_prefill,
    stage_summary,
)
from cost_models.feasibility import power_rule
from spec.cost_report import Fit
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.legality import Rule
from spec.model_config import ModelConfig
from spec.workload import Workload


def fits(points: Sequence[DesignPoint], model: ModelConfig, device: Device, workload: Workload) -> list[Fit]:
    """Whether each design fits, breaks a limit for sure, or has one within the error band of its estimate."""
    groups: dict[object, list[int]] = defaultdict(list)  # what one batch can hold
    for number, point in enumerate(points):
        groups[point.quant_scheme, point.system, point.hmt, point.prefill.modules, point.decode.modules].append(number)
    found: list[Fit] = ["fits"] * len(points)
    for numbers in groups.values():
        alike = [points[number] for number in numbers]
        first = alike[0]
        context = Context(model, device, workload, first.quant_scheme, hmt=first.hmt, system=first.system)
        for number, verdict in zip(numbers, _verdicts(alike, context), strict=True):
            found[number] = verdict
    return found


def _verdicts(points: Sequence[DesignPoint], context: Context) -> Iterator[Fit]:
    batch = DesignBatch.from_points(points, context.device)
    broken, undecided = np.zeros(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    for rule in _rules(batch, context):
        broken |= rule.broken
        undecided |= rule.open
    for breaks, open_limit in zip(broken.tolist(), undecided.tolist(), strict=True):
        yield "does_not_fit" if breaks else "within_band" if open_limit else "fits"


def _rules(batch: DesignBatch, context: Context) -> Iterable[Rule]:
    prefill, decode = price_prefill(batch.prefill, context), price_decode(batch.decode, context)
    of_prefill = list(prefill_constraints(prefill, batch.prefill, context))
    of_decode = list(decode_constraints(decode, batch.decode, context))
    stages = (
        stage_summary(prefill, batch.prefill, of_prefill, context),
        stage_summary(decode, batch.decode, of_decode, context),
    )
    yield from of_prefill
    yield from of_decode
    yield from pair_constraints(*stages, context)
    for cost, summary in zip((prefill, decode), stages, strict=True):
        yield from power_rule(cost.stage, summary.power_w, context.device)
