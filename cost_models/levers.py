"""Levers of a design that does not fit, tried: which change makes a limit hold, and which only brings it nearer.

One field at a time is halved, as often as it takes, or left out where it is optional. Where no field alone suffices, the
halving that helps most is made, of whatever field, again and again. Each changed design is priced and held against every rule of its stage: a
lever makes the limit hold as estimated and breaks no rule that held. Ports stay as they are. Nothing else is searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cost_models.evaluate import Context, decode_constraints, prefill_constraints, price_decode, price_prefill
from cost_models.stage_cost import StageCost
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.legality import Rule
from spec.limit_words import limit_amount
from spec.violation import Violation
from spec.workload import STAGES, Stage

MOST_LEVERS = 3
MOST_STEPS = 8  # halvings of several fields together
MOST_HALVINGS = {"modules": 3, "lanes": 16}  # of one field; each value of a module's choice is priced on its own
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
_MODULES = "modules."

Key = tuple[str, str]  # constraint, where
Values = Mapping[str, object]  # field of the stage, or `modules.` and a choice of its modules -> value


@dataclass(frozen=True, slots=True)
class Outcome:
    """A changed design against the rules of its stage, and the seconds that the stage then takes."""

    seconds: float
    demands: Mapping[Key, float]
    broken: frozenset[Key]


Change = tuple[Values, Outcome]


def _fields(point: DesignPoint, stage: Stage) -> dict[str, tuple[object, ...]]:
    """Each field that can be smaller, with its smaller values in order."""
    half = getattr(point, stage)
    modules = half.modules
    found: dict[str, tuple[object, ...]] = {}
    for name in _PARALLEL[stage]:
        found[name] = tuple(_halved(getattr(half, name), 2, MOST_HALVINGS["lanes"]))
    found["modules.weight_buffer_beats"] = tuple(
        _halved(getattr(modules, "weight_buffer_beats", 0), 1, MOST_HALVINGS["modules"])
    )
    found["modules.on_chip_projections"] = ((),) if getattr(modules, "on_chip_projections", ()) else ()
    for fifo in _DEPTHS:
        name = f"{fifo}_fifo_depth"
        found[f"modules.{name}"] = (None,) if getattr(modules, name, None) is not None else ()
    return {name: values for name, values in found.items() if values}


def _halved(value: int, least: int, most: int) -> list[int]:
    found: list[int] = []
    while value > least and value % 2 == 0 and len(found) < most:
        value //= 2
        found.append(value)
    return found


def _changed(point: DesignPoint, stage: Stage, values: Values) -> DesignPoint:
    half = getattr(point, stage)
    own = {name: value for name, value in values.items() if not name.startswith(_MODULES)}
    of_modules = {name.removeprefix(_MODULES): value for name, value in values.items() if name.startswith(_MODULES)}
    modules = half.modules.model_copy(update=of_modules)
    return point.model_copy(update={stage: half.model_copy(update={**own, "modules": modules})})


def _words(stage: Stage, values: Values) -> str:
    def one(name: str, value: object) -> str:
        if value is None:
            return f"leave {stage}.{name} out"
        return f"leave {stage}.{name} empty" if value == () else f"lower {stage}.{name} to {value}"

    return " and ".join(one(name, value) for name, value in values.items())


def _outcomes(points: Sequence[DesignPoint], stage: Stage, context: Context) -> list[Outcome]:
    """Each design against the rules of its stage; designs of the same modules are priced together."""
    found: list[Outcome | None] = [None] * len(points)
    sets: dict[object, list[int]] = {}
    for i, point in enumerate(points):
        sets.setdefault(getattr(point, stage).modules, []).append(i)
    for members in sets.values():
        batch = DesignBatch.from_points([points[i] for i in members], context.device)
        cost, rules = _priced(batch, stage, context)
        seconds = np.where(cost.latency_s > 0, cost.latency_s, cost.first_latency_s)
        for place, i in enumerate(members):
            demands: dict[Key, float] = {}
            broken = set()
            for rule in rules:
                key = rule.constraint, rule.where
                demands[key] = max(float(rule.demand[place]), demands.get(key, -float("inf")))
                if rule.broken[place]:
                    broken.add(key)
            found[i] = Outcome(float(seconds[place]), demands, frozenset(broken))
    return [outcome for outcome in found if outcome is not None]


def _priced(batch: DesignBatch, stage: Stage, context: Context) -> tuple[StageCost, list[Rule]]:
    if stage == "prefill":
        cost = price_prefill(batch.prefill, context)
        return cost, list(prefill_constraints(cost, batch.prefill, context))
    cost = price_decode(batch.decode, context)
    return cost, list(decode_constraints(cost, batch.decode, context))


def with_tried_levers(broken: tuple[Violation, ...], point: DesignPoint, context: Context) -> tuple[Violation, ...]:
    """The same; violations of a stage's resources name the changes that make the limit hold, those that cost the least time
    first, and apart those that at least lower the demand, as found by pricing each. Where nothing that was tried lowers it,
    what the rule advises stands with the latter.
    """
    context = replace(context, calibration=None)
    told = list(broken)
    for stage in STAGES:
        mine = [i for i, violation in enumerate(told) if violation.where == stage and _triable(violation.constraint)]
        if mine:
            tried = _Tried(tuple(told[i] for i in mine), point, stage, context)
            for i in mine:
                told[i] = tried.told(told[i])
    return tuple(told)


def _triable(constraint: str) -> bool:
    """Whether it limits what the fields that are tried may lower; what the ports need is a matter of the memory map."""
    return constraint.endswith("_utilization") or constraint.startswith("slr_largest_unit_")


class _Tried:
    """The changes of one stage of a design, each priced once for all of its broken limits."""

    def __init__(self, broken: Sequence[Violation], point: DesignPoint, stage: Stage, context: Context) -> None:
        self._point, self._stage, self._context = point, stage, context
        self._fields = _fields(point, stage)
        singles: list[Values] = [{name: value} for name, values in self._fields.items() for value in values]
        self._now, *outcomes = self._price([{}, *singles])
        self._singles = list(zip(singles, outcomes, strict=True))
        self._limits = {_key(violation): violation.bound for violation in broken}

    def told(self, violation: Violation) -> Violation:
        """The violation with its levers."""
        key, bound = _key(violation), violation.bound
        enough: list[Change] = []
        nearer: list[Change] = []
        for name in self._fields:
            tried = [(values, outcome) for values, outcome in self._singles if name in values]
            sufficient = [one for one in tried if one[1].demands[key] <= bound and not self._newly_broken(one[1])]
            if sufficient:  # the least change that does it
                enough.append(sufficient[0])
                continue
            nearer.append(self._nearest(tried, key, bound))
        gain = (1 - LEAST_GAIN) * self._now.demands[key]
        nearer = [one for one in nearer if one[1].demands[key] < gain]
        if not enough and self._together is not None:
            enough.append(self._together)
        enough.sort(key=lambda one: one[1].seconds)
        nearer.sort(key=lambda one: one[1].demands[key])
        levers = tuple(self._words(values, outcome, violation) for values, outcome in enough[:MOST_LEVERS])
        partial = tuple(self._words(values, outcome, violation) for values, outcome in nearer[:MOST_LEVERS])
        if not levers and not partial:
            partial = violation.levers
        return violation.model_copy(update={"levers": levers, "partial_levers": partial})

    def _nearest(self, tried: Sequence[Change], key: Key, bound: float) -> Change:
        """Of the changes of one field, none of which will do: the least that holds the limit though it breaks another rule,
        else the largest that breaks none.
        """
        holding = [one for one in tried if one[1].demands[key] <= bound]
        clean = [one for one in tried if not self._newly_broken(one[1])]
        return holding[0] if holding else min(clean or tried, key=lambda one: one[1].demands[key])

    @cached_property
    def _together(self) -> Change | None:
        """The halvings that help most, one after the other, until all broken limits of the stage hold; None where that
        needs more of them than `MOST_STEPS`.
        """
        values: dict[str, object] = {}
        left = {name: list(steps) for name, steps in self._fields.items()}
        for _ in range(MOST_STEPS):
            names = [name for name, steps in left.items() if steps]
            changes: list[Values] = [{**values, name: left[name][0]} for name in names]
            allowed = [
                (self._over(outcome), outcome.seconds, place, outcome)
                for place, outcome in enumerate(self._price(changes))
                if not self._newly_broken(outcome)
            ]
            if not allowed:
                return None
            over, _, place, outcome = min(allowed, key=lambda one: one[:3])
            values[names[place]] = left[names[place]].pop(0)
            if over == 0.0:
                return values, outcome
        return None

    def _over(self, outcome: Outcome) -> float:
        return sum(max(outcome.demands[key] / bound - 1.0, 0.0) for key, bound in self._limits.items())

    def _newly_broken(self, outcome: Outcome) -> list[str]:
        return sorted({constraint for constraint, _ in outcome.broken - self._now.broken})

    def _price(self, changes: Sequence[Values]) -> list[Outcome]:
        points = [_changed(self._point, self._stage, values) for values in changes]
        return _outcomes(points, self._stage, self._context)

    def _words(self, values: Values, outcome: Outcome, violation: Violation) -> str:
        breaks = self._newly_broken(outcome)
        also = f", but breaks {' and '.join(breaks)}" if breaks else ""
        then = limit_amount(outcome.demands[_key(violation)], violation.unit)
        return f"{_words(self._stage, values)} ({then} then{also})"


def _key(violation: Violation) -> Key:
    return violation.constraint, violation.where
