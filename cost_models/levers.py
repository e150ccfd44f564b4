"""Levers of a design that does not fit, tried: which change of one field lowers what is too large, and to how much.

A field is halved, or left out where it is optional; only the resources are priced again, and ports stay as they are, so that
a memory map may have to follow. Nothing is searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.feasibility import resource_rules
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.violation import Violation
from spec.workload import STAGES, Stage

MOST_LEVERS = 3
LEAST_GAIN = 0.02  # of the demand: less is no lever

_PARALLEL: dict[Stage, tuple[str, ...]] = {
    "prefill": (
        "token_parallelism", "ffn_weight_parallelism", "qkvo_weight_parallelism", "key_parallelism", "value_parallelism",
    ),
    "decode": (
        "block_parallelism", "weight_parallelism", "head_parallelism", "key_parallelism", "value_parallelism",
        "vector_parallelism",
    ),
}  # fmt: skip
_DEPTHS = ("operand", "weight", "vector", "cache", "residual", "quantizer")


def _changes(point: DesignPoint, stage: Stage) -> Iterator[tuple[str, DesignPoint]]:
    """One field of the stage smaller each, in words and as a design."""
    half = getattr(point, stage)
    modules = half.modules

    def with_modules(**fields: object) -> DesignPoint:
        return point.model_copy(update={stage: half.model_copy(update={"modules": modules.model_copy(update=fields)})})

    for name in _PARALLEL[stage]:
        value = getattr(half, name)
        if value > 2 and value % 2 == 0:
            smaller = half.model_copy(update={name: value // 2})
            yield f"lower {stage}.{name} to {value // 2}", point.model_copy(update={stage: smaller})
    beats = getattr(modules, "weight_buffer_beats", 0)
    if beats > 1:
        yield f"lower {stage}.modules.weight_buffer_beats to {beats // 2}", with_modules(weight_buffer_beats=beats // 2)
    if getattr(modules, "on_chip_projections", ()):
        yield f"leave {stage}.modules.on_chip_projections empty", with_modules(on_chip_projections=())
    for fifo in _DEPTHS:
        if getattr(modules, f"{fifo}_fifo_depth", None) is not None:
            yield f"leave {stage}.modules.{fifo}_fifo_depth out", with_modules(**{f"{fifo}_fifo_depth": None})


def _demands(point: DesignPoint, stage: Stage, context: Context) -> dict[str, float]:
    """What the rules on resources ask for, by constraint."""
    batch = DesignBatch.from_points([point], context.device)
    if stage == "prefill":
        rules = resource_rules(price_prefill(batch.prefill, context), batch.prefill, context.device)
    else:
        rules = resource_rules(price_decode(batch.decode, context), batch.decode, context.device)
    return {rule.constraint: float(rule.demand[0]) for rule in rules}


def with_tried_levers(broken: tuple[Violation, ...], point: DesignPoint, context: Context) -> tuple[Violation, ...]:
    """The same; violations of a stage's resources name the changes that lower them most, as found by pricing each. Where none
    does, the levers stay those of the rule.
    """
    context = replace(context, calibration=None)
    told = list(broken)
    for stage in STAGES:
        mine = [i for i, violation in enumerate(told) if violation.where == stage]
        now = _demands(point, stage, context) if mine else {}
        mine = [i for i in mine if told[i].constraint in now and not told[i].constraint.startswith("slr_memory_side")]
        if not mine:
            continue
        tried = [(words, _demands(other, stage, context)) for words, other in _changes(point, stage)]
        for i in mine:
            name, unit = told[i].constraint, told[i].unit
            gains = sorted((demands[name], words) for words, demands in tried)
            levers = tuple(
                f"{words} ({name} {demand:,.4g} {unit} then)"
                for demand, words in gains[:MOST_LEVERS]
                if demand < (1 - LEAST_GAIN) * now[name]
            )
            if levers:
                told[i] = told[i].model_copy(update={"levers": levers})
    return tuple(told)
