"""Goals as columns to minimise, and what of each stage they depend on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cost_models.evaluate import Context, CostBatch, missing_reasons
from cost_models.stage_summary import StageSummary
from spec.design_batch import BoolArray, FloatArray
from spec.design_point import SystemChoices
from spec.errors import InputError
from spec.exploration import ExplorationRequest
from spec.goals import Constraint, Objective, parse_constraint, parse_objective
from spec.metrics import METRICS
from spec.workload import STAGES, Stage

Quantity = Literal[
    "first_s", "step_s", "total_s", "energy_j", "dynamic_energy_j", "max_utilization", "hbm",
    "lut", "ff", "dsp", "bram_18k", "uram", "hbm_ports", "hbm_channel_bytes", "cache_word", "weight_word",
    "clock_w",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Driver:
    """A metric's value does not rise when `quantity` of `stage` falls (`sign` +1) or rises (`sign` -1), all else equal."""

    stage: Stage
    quantity: Quantity
    sign: int = 1

    def turned(self, sign: int) -> Driver:
        """The driver towards lower (+1) or higher (-1) values of the metric."""
        return Driver(self.stage, self.quantity, self.sign * sign)


_ENERGY = (Driver("prefill", "energy_j"), Driver("decode", "energy_j"))
_HBM = (Driver("decode", "hbm"),)
_RESOURCES: tuple[Quantity, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")

# Per stage it is enough to keep the designs that no other beats in all drivers of the asked metrics. Energy over time
# is not monotone in time, so power keeps both directions: lower energy, longer time.
DRIVERS: dict[str, tuple[Driver, ...]] = {
    "ttft_s": (Driver("prefill", "step_s"), Driver("decode", "first_s")),
    "tpot_s": (Driver("decode", "step_s"),),
    "e2e_latency_s": (Driver("prefill", "step_s"), Driver("decode", "total_s")),
    "prefill_latency_s": (Driver("prefill", "step_s"),),
    "prefill_tokens_per_s": (Driver("prefill", "step_s", -1),),
    "decode_tokens_per_s": (Driver("decode", "step_s", -1),),
    "energy_j": _ENERGY,
    "energy_j_per_token": _ENERGY,
    "dynamic_energy_j_per_token": (Driver("prefill", "dynamic_energy_j"), Driver("decode", "dynamic_energy_j")),
    "prefill_energy_j_per_token": (Driver("prefill", "energy_j"),),
    "decode_energy_j_per_token": (Driver("decode", "energy_j"),),
    "power_w": (*_ENERGY, Driver("prefill", "step_s", -1), Driver("decode", "total_s", -1)),
    "max_utilization": (Driver("prefill", "max_utilization"), Driver("decode", "max_utilization")),
    **{f"{stage}_{kind}": (Driver(stage, kind),) for stage in STAGES for kind in _RESOURCES},
    "hbm_bytes_per_s": _HBM,
    "hbm_fraction": _HBM,
    "card_cost_usd": (),  # of the deployment alone
    "quality": (),  # of the scheme alone: the same for every design of an arm
}


_TOTAL_ENERGIES = ("energy_j", "energy_j_per_token", "power_w")
_SHARED_CHIP: tuple[Quantity, ...] = (*_RESOURCES, "hbm_ports", "hbm_channel_bytes")
_IMAGES: tuple[tuple[Literal["kv_layout", "weight_copies"], Quantity], ...] = (
    ("kv_layout", "cache_word"),
    ("weight_copies", "weight_word"),
)


def metric_drivers(name: str, system: SystemChoices) -> tuple[Driver, ...]:
    """`DRIVERS` of a metric in a deployment."""
    drivers = DRIVERS[name]
    if system.deployment == "two_cards" and name in _TOTAL_ENERGIES:
        # The card that waits draws its idle power: time costs energy beside the stage's own.
        times = (Driver("prefill", "step_s"), Driver("decode", "total_s"))
        return tuple(dict.fromkeys((*drivers, *times)))
    if system.deployment == "co_resident" and drivers and "energy_j" in drivers[0].quantity:
        # The kernel that waits is clocked: each stage's time costs energy of the other's registers.
        times = (Driver("prefill", "step_s"), Driver("decode", "total_s"))
        return tuple(dict.fromkeys((*drivers, *times, *(Driver(stage, "clock_w") for stage in STAGES))))
    if system.deployment == "co_resident" and name == "max_utilization":
        return tuple(Driver(stage, kind) for stage in STAGES for kind in _RESOURCES)
    return drivers


def coupling_drivers(stage: Stage, system: SystemChoices) -> tuple[Driver, ...]:
    """What of a stage decides whether another fits beside it: the more it leaves, the better. A memory image that both
    read has one layout: only designs of equal layout replace each other.
    """
    shared = _SHARED_CHIP if system.deployment == "co_resident" else ()
    equal = [quantity for choice, quantity in _IMAGES if getattr(system, choice) == "shared"]
    return (
        *(Driver(stage, quantity) for quantity in shared),
        *(Driver(stage, quantity, sign) for quantity in equal for sign in (1, -1)),
    )


@dataclass(frozen=True, slots=True)
class Goals:
    """The objectives and constraints of one search."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()

    @classmethod
    def of(cls, objectives: Iterable[str], constraints: Iterable[str] = ()) -> Goals:
        """Parsed from what users write."""
        return cls(tuple(map(parse_objective, objectives)), tuple(map(parse_constraint, constraints)))

    @classmethod
    def of_request(cls, request: ExplorationRequest) -> Goals:
        """Those of a request."""
        return cls.of(request.objectives, request.constraints)

    @property
    def names(self) -> tuple[str, ...]:
        """The objectives as they were written."""
        return tuple(objective.name for objective in self.objectives)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that an objective or a constraint reads."""
        return tuple(dict.fromkeys(name for part in self._parts for name in part.expression.directions))

    @property
    def _parts(self) -> tuple[Objective | Constraint, ...]:
        return (*self.objectives, *self.constraints)

    @property
    def signs(self) -> FloatArray:
        """+1 for a minimised objective, -1 for a maximised one, (n_objectives,)."""
        return np.array([objective.sign for objective in self.objectives], dtype=np.float64)

    def check_available(self, context: Context) -> None:
        """Refuse goals without a value in this context.

        Raises:
            InputError: naming the metric and why it has no value.
        """
        reasons = missing_reasons(context)
        if context.workload.prompt_tokens == 1:
            reasons["prefill_latency_s"] = "one prompt token: prefill has nothing to do, it takes 0 s in every design"
        for field, parts in (("objectives", self.objectives), ("constraints", self.constraints)):
            for part in parts:
                for name in part.expression.directions:
                    if name in reasons:
                        raise InputError(
                            f"{name} has no value here: {reasons[name]}",
                            field=field,
                            value=name,
                            rule="an objective and a constraint have a value for every design",
                            hint=f"leave {name} out",
                        )

    def natural(self, costs: CostBatch) -> FloatArray:
        """Objective values in their own units, (n_points, n_objectives)."""
        return np.column_stack([objective.expression(costs.metrics) for objective in self.objectives])

    def minimised(self, costs: CostBatch) -> FloatArray:
        """Objective values with maximised ones negated, (n_points, n_objectives)."""
        return np.asarray(self.natural(costs) * self.signs)

    def best(self, natural: FloatArray) -> dict[str, float]:
        """Objective -> the best of its values in a front, (n_points, n_objectives)."""
        return {
            objective.name: float(column.min() if objective.sense == "min" else column.max())
            for objective, column in zip(self.objectives, natural.T, strict=True)
        }

    def scaled(self, natural: FloatArray) -> FloatArray:
        """Natural values as columns to minimise in which ratios count alike: logarithms, except where an objective may
        be negative or zero.
        """
        columns = []
        for i, objective in enumerate(self.objectives):
            column = natural[:, i]
            logarithmic = objective.logarithmic and bool(np.all(column > 0))
            columns.append((np.log(column) if logarithmic else column) * objective.sign)
        return np.column_stack(columns) if columns else natural

    @property
    def rules(self) -> tuple[str, ...]:
        """What a design has to hold beside the rules of the card: the constraints, and a value for every objective that is
        an expression (a root or a logarithm has none everywhere).
        """
        return (*(c.text for c in self.constraints), *(f"{o.name} has a value" for o in self._expressions))

    @property
    def _expressions(self) -> tuple[Objective, ...]:
        return tuple(objective for objective in self.objectives if objective.name not in METRICS)

    def violations(self, costs: CostBatch) -> FloatArray:
        """How far each of `rules` is missed, relative to its bound, (n_points, n_rules); <= 0 where it holds."""
        columns = []
        for constraint in self.constraints:
            value = constraint.expression(costs.metrics)
            missed = (value - constraint.bound) * constraint.sign / max(abs(constraint.bound), 1e-12)
            columns.append(np.where(np.isnan(missed), np.inf, missed))
        for objective in self._expressions:
            columns.append(np.where(np.isnan(objective.expression(costs.metrics)), np.inf, 0.0))
        return np.column_stack(columns) if columns else np.zeros((len(costs.excess), 0))

    def feasible(self, costs: CostBatch) -> BoolArray:
        """(n_points,) where every rule of the card and every one of `rules` holds."""
        return np.asarray(costs.feasible & (self.violations(costs) <= 0).all(axis=1))

    def drivers(self, stage: Stage, system: SystemChoices) -> tuple[Driver, ...]:
        """What of `stage` moves an objective or a constraint, or couples it to the other stage; judged by its latency if
        nothing moves it, so that the choice is a sensible one.
        """
        wanted: dict[Driver, None] = {}
        for part in self._parts:
            for name, direction in part.expression.directions.items():
                senses = (part.sign * direction,) if direction else (1, -1)
                for driver in metric_drivers(name, system):
                    if driver.stage == stage:
                        wanted.update(dict.fromkeys(driver.turned(sense) for sense in senses))
        if not wanted:
            wanted[Driver(stage, "total_s")] = None
        wanted.update(dict.fromkeys(coupling_drivers(stage, system)))
        return tuple(wanted)


def quantity(name: Quantity, summary: StageSummary, stage: Stage, context: Context) -> FloatArray:
    """A quantity of a stage that drivers are made of, (n_points,)."""
    total = summary.step_s if stage == "prefill" else summary.first_s + further_steps(context) * summary.step_s
    if name == "total_s":
        return total
    if name == "energy_j":
        return np.asarray(summary.power_w * total)
    if name == "dynamic_energy_j":
        return np.asarray(summary.dynamic_w * total)
    column: FloatArray = getattr(summary, "hbm_bytes_per_s" if name == "hbm" else name)
    return column


def further_steps(context: Context) -> int:
    """Decode steps after the first."""
    return context.workload.output_tokens - 1


def driver_columns(summary: StageSummary, stage: Stage, drivers: Sequence[Driver], context: Context) -> FloatArray:
    """The drivers of one stage as columns to minimise, (n_points, n_drivers)."""
    return np.column_stack([quantity(d.quantity, summary, stage, context) * d.sign for d in drivers])


def front_values(metrics: Sequence[dict[str, float | None]], goals: Goals) -> FloatArray:
    """Objective values of designs that are given by their metrics, (n_designs, n_objectives); NaN where missing."""
    rows = [[objective.expression.of(one) for objective in goals.objectives] for one in metrics]
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64).reshape(
        len(rows), len(goals.objectives)
    )
