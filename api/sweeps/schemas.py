"""Sweeps as the outside sees them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from api.catalog_names import DeviceField, ModelField, find_device, find_model
from api.described import Labels, Name, Note
from api.job_limits import NO_LIMITS, JobLimits
from db.job_state import JobState
from dse.windows import coming_night
from spec.device import Device
from spec.errors import InputError
from spec.exploration import ExplorationRequest
from spec.model_config import ModelConfig
from spec.strict import StrictModel, validate
from spec.sweep import SweepPlan, SweepWindow
from spec.workload import Workload

MAX_EXPLORATIONS = 1_000
_SHARED = tuple(
    name
    for name in ExplorationRequest.model_fields
    if name not in ("schema_name", "name", "model", "device", "workload", "seed")
)
Priority = Annotated[int, Field(ge=-10, le=10, description="higher goes first; below single explorations")]
Limits = Annotated[JobLimits, Field(description="what each exploration may use at most")]


def _refuse_too_many(count: int, field: str, what: str) -> None:
    if count > MAX_EXPLORATIONS:
        raise InputError(
            f"these are {count} explorations",
            field=field,
            value=count,
            rule=f"{what} {MAX_EXPLORATIONS}",
            hint="submit several sweeps",
        )


class SweepInput(StrictModel):
    """Every model on every device under every workload, with every seed: an exploration each."""

    name: Name
    models: Annotated[tuple[ModelField, ...], Field(min_length=1, max_length=100)]
    devices: Annotated[tuple[DeviceField, ...], Field(min_length=1, max_length=100)]
    workloads: Annotated[tuple[Workload, ...], Field(min_length=1, max_length=100)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1)], ...], Field(min_length=1, max_length=100)] = (0,)
    search: Annotated[
        dict[str, Any],
        Field(
            description="what all explorations share, as in the body of an exploration: objectives, constraints, "
            "method, budget, space, ..."
        ),
    ] = {}
    priority: Priority = -1
    limits: Limits = NO_LIMITS
    labels: Labels = ()
    note: Note = ""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        count = len(self.models) * len(self.devices) * len(self.workloads) * len(self.seeds)
        _refuse_too_many(count, "models", "models x devices x workloads x seeds is at most")
        for name in self.search:
            if name not in _SHARED:
                raise InputError(
                    f"explorations of a sweep cannot share {name!r}",
                    field=f"search.{name}",
                    value=name,
                    rule=f"allowed here: {', '.join(_SHARED)}",
                    hint="models, devices, workloads and seeds stand beside search",
                )
        return self

    def requests(self) -> list[ExplorationRequest]:
        """The explorations.

        Raises:
            InputError: one that cannot be asked for.
        """
        found = []
        for model, device, workload, seed in itertools.product(self.models, self.devices, self.workloads, self.seeds):
            tokens = f"{workload.prompt_tokens}/{workload.output_tokens}"
            document = {
                **self.search,
                "name": f"{self.name} {model.name} {device.name} {tokens} seed {seed}"[:200],
                "model": model.model_dump(mode="json", by_alias=True),
                "device": device.model_dump(mode="json", by_alias=True),
                "workload": workload.model_dump(mode="json", by_alias=True),
                "seed": seed,
            }
            found.append(validate(ExplorationRequest, document))
        return found

    def document(self) -> dict[str, Any]:
        """What was asked for, with names in place of models and devices: each exploration has the whole ones."""
        return {
            "models": [model.name for model in self.models],
            "devices": [device.name for device in self.devices],
            "workloads": [workload.model_dump(mode="json", by_alias=True) for workload in self.workloads],
            "seeds": list(self.seeds),
            "search": self.search,
        }


class SweepFile(SweepPlan):
    """The document of `flexdse sweep run`, with names of models and devices of this server."""

    priority: Priority = -1
    limits: Limits = NO_LIMITS
    labels: Labels = ()
    note: Note = ""

    @model_validator(mode="after")
    def _runs_here(self) -> Self:
        _refuse_too_many(len(self.all_cases()), "grid", "cases of a sweep are at most")
        if self.budget.night_s is not None and self.window is None:
            raise InputError(
                "a night's budget without a night",
                field="budget.night_s",
                value=self.budget.night_s,
                rule="needs a window: what is left when it is spent waits for the next one",
                hint="give a window, or leave night_s out",
            )
        return self

    def documents(self) -> tuple[dict[str, ModelConfig], dict[str, Device]]:
        """The models and the devices that its names stand for; every case of them can be asked for.

        Raises:
            UnknownNameError: there is none of that name.
            InputError: a case that cannot be asked for.
        """
        cases = self.all_cases()
        models = {name: find_model(name) for name in dict.fromkeys(case.model for case in cases)}
        devices = {name: find_device(name) for name in dict.fromkeys(case.device for case in cases)}
        for case in cases:
            self.request(case, models[case.model], devices[case.device])
        return models, devices


class SweepNight(StrictModel):
    """When cases of a sweep may start."""

    starts_at: datetime
    ends_at: datetime

    @staticmethod
    def coming(window: SweepWindow | None, now: datetime) -> SweepNight | None:
        """The window that is open at `now`, else the next one; None where cases start at any time."""
        if window is None:
            return None
        start, end = coming_night(window, now)
        return SweepNight(starts_at=start, ends_at=end)


class SweepPreview(StrictModel):
    """What a sweep would explore."""

    explorations: int
    titles: Annotated[tuple[str, ...], Field(description="the first hundred of them")]
    night: Annotated[SweepNight | None, Field(description="when they start; null: as soon as a worker is free")]
    estimated_seconds: Annotated[
        float | None, Field(description="all of them at work one after the other; null for more than 32 spaces")
    ]


class SweepSummary(StrictModel):
    """One line of the list of sweeps."""

    id: str
    job_id: Annotated[str | None, Field(description="null: it is nothing but its explorations")]
    name: str
    labels: Labels
    explorations: Annotated[dict[JobState, int], Field(description="how many are in which state")]
    waiting: Annotated[int, Field(description="cases that are not submitted yet: for their window, or for others")]
    night: Annotated[
        SweepNight | None, Field(description="the window that is open, or the next; null where nothing waits for one")
    ]
    created_at: datetime


class Sweep(SweepSummary):
    """One sweep: `GET /explorations?sweep_id=` lists its explorations."""

    note: Note
    document: dict[str, Any]


class SweepPage(StrictModel):
    """Sweeps, newest first."""

    items: tuple[SweepSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]
