"""SweepPlan: many explorations of one purpose, a nightly window to run them in, and how much they may take."""

from __future__ import annotations

import hashlib
import json
from datetime import time
from itertools import product
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from spec.device import Device
from spec.errors import InputError, echo
from spec.exploration import ExplorationRequest, Method, PluginMethod
from spec.metrics import DEFAULT_OBJECTIVES
from spec.model_config import ModelConfig
from spec.space_overrides import SpaceOverrides
from spec.strict import StrictModel, validate
from spec.workload import Workload

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
MAX_CASES = 10_000


class SweepWindow(StrictModel):
    """When cases may start, in the clock of `time_zone`. An end before the start is of the next morning; a night belongs to
    the day on which it starts.
    """

    time_zone: str = "UTC"
    start: Clock
    end: Clock
    days: Annotated[tuple[Day, ...], Field(max_length=7)] = DAYS

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                f"unknown time zone {echo(value)}",
                field="time_zone",
                value=value,
                rule="a name of the IANA time zone database",
                hint="for example Europe/Zurich or UTC",
            ) from None
        return value

    @model_validator(mode="after")
    def _opens(self) -> SweepWindow:
        if self.start == self.end:
            raise InputError(
                "the window never opens: it ends when it starts",
                field="end",
                value=self.end,
                rule="an end other than the start",
                hint="leave the window out to run at any time",
            )
        if not self.days:
            raise InputError(
                "the window never opens: it has no days",
                field="days",
                value=[],
                rule=f"at least one of {', '.join(DAYS)}",
                hint="name days, or leave `days` out for every night",
            )
        return self

    @property
    def start_time(self) -> time:
        """Start of the window."""
        return time.fromisoformat(self.start)

    @property
    def end_time(self) -> time:
        """End of the window."""
        return time.fromisoformat(self.end)


class SweepBudget(StrictModel):
    """Ends of a sweep: of each case's evaluations, of its seconds, and of all seconds of one night."""

    evaluations: Annotated[int, Field(ge=1, le=10_000_000)] = 2_000
    case_s: Annotated[float | None, Field(gt=0, le=7 * 86_400)] = None
    night_s: Annotated[float | None, Field(gt=0, le=86_400)] = None


class SweepGrid(StrictModel):
    """Every combination of these."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    devices: Annotated[tuple[str, ...], Field(min_length=1)]
    workloads: Annotated[tuple[Workload, ...], Field(min_length=1)]
    objectives: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)] = (DEFAULT_OBJECTIVES,)
    methods: Annotated[tuple[Method | PluginMethod, ...], Field(min_length=1)] = ("exact",)
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1)], ...], Field(min_length=1)] = (0,)
    constraints: tuple[str, ...] = ()
    space: SpaceOverrides | None = None


class SweepCase(StrictModel):
    """One exploration. `model` and `device` are catalog names or files."""

    model: str
    device: str
    workload: Workload
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    method: Method | PluginMethod = "exact"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    constraints: tuple[str, ...] = ()
    space: SpaceOverrides | None = None

    def key(self) -> str:
        """16 hex digits, equal exactly for equal cases: a case that is done is not run again."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """The case on one line."""
        load = f"{self.workload.prompt_tokens}+{self.workload.output_tokens}"
        parts = [f"{self.model} on {self.device}", f"{load} tokens", self.method, f"seed {self.seed}"]
        if self.objectives != DEFAULT_OBJECTIVES:
            parts.append(f"for {' | '.join(self.objectives)}")
        if self.constraints:
            parts.append(f"where {' and '.join(self.constraints)}")
        if self.space is not None:
            parts.append(f"space {hashlib.sha256(self.space.model_dump_json().encode()).hexdigest()[:6]}")
        return ", ".join(parts)


class SweepPlan(StrictModel):
    """A sweep file: a grid, a list of cases, or both."""

    schema_name: Annotated[Literal["flexdse/sweep/v1"], Field(alias="schema")] = "flexdse/sweep/v1"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")]
    grid: SweepGrid | None = None
    cases: tuple[SweepCase, ...] = ()
    window: SweepWindow | None = None
    concurrency: Annotated[int, Field(ge=1, le=64, description="explorations at once")] = 1
    budget: SweepBudget = SweepBudget()

    @model_validator(mode="after")
    def _has_cases(self) -> SweepPlan:
        if self.grid is None and not self.cases:
            raise InputError(
                "a sweep of nothing", field="grid", value=None, rule="a grid, a list of cases, or both", hint="add one"
            )
        number = len(self.all_cases())
        if number > MAX_CASES:
            raise InputError(
                f"{number:,} explorations",
                field="grid",
                value=number,
                rule=f"at most {MAX_CASES:,} of them",
                hint="split the sweep",
            )
        return self

    def all_cases(self) -> tuple[SweepCase, ...]:
        """The cases of grid and list, each once, in order."""
        found: dict[str, SweepCase] = {}
        for case in (*self._of_grid(), *self.cases):
            found.setdefault(case.key(), case)
        return tuple(found.values())

    def request(self, case: SweepCase, model: ModelConfig, device: Device) -> ExplorationRequest:
        """The exploration of a case, with the documents that its names stand for.

        Raises:
            InputError: one that cannot be asked for.
        """
        asked = {
            "name": f"{self.name}: {case.title}"[:200],
            "model": model.model_dump(mode="json", by_alias=True),
            "device": device.model_dump(mode="json", by_alias=True),
            "workload": case.workload.model_dump(mode="json", by_alias=True),
            "objectives": list(case.objectives),
            "constraints": list(case.constraints),
            "space": None if case.space is None else case.space.model_dump(mode="json", by_alias=True),
            "method": case.method,
            "budget": self.budget.evaluations,
            "seed": case.seed,
        }
        return validate(ExplorationRequest, asked)

    def _of_grid(self) -> list[SweepCase]:
        grid = self.grid
        if grid is None:
            return []
        every: Any = product(grid.models, grid.devices, grid.workloads, grid.objectives, grid.methods, grid.seeds)
        return [
            SweepCase(
                model=model, device=device, workload=workload, objectives=objectives, method=method, seed=seed,
                constraints=grid.constraints, space=grid.space,
            )
            for model, device, workload, objectives, method, seed in every
        ]  # fmt: skip
