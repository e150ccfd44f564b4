"""Sweeps as the outside sees them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from api.catalog_names import DeviceField, ModelField
from api.described import Labels, Name, Note
from api.job_limits import NO_LIMITS, JobLimits
from db.job_state import JobState
from spec.errors import InputError
from spec.exploration import ExplorationRequest
from spec.strict import StrictModel, validate
from spec.workload import Workload

MAX_EXPLORATIONS = 1_000
_SHARED = tuple(
    name
    for name in ExplorationRequest.model_fields
    if name not in ("schema_name", "name", "model", "device", "workload", "seed")
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
    priority: Annotated[int, Field(ge=-10, le=10, description="higher goes first; below single explorations")] = -1
    limits: Annotated[JobLimits, Field(description="what each exploration may use at most")] = NO_LIMITS
    labels: Labels = ()
    note: Note = ""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        count = len(self.models) * len(self.devices) * len(self.workloads) * len(self.seeds)
        if count > MAX_EXPLORATIONS:
            raise InputError(
                f"these are {count} explorations",
                field="models",
                value=count,
                rule=f"models x devices x workloads x seeds is at most {MAX_EXPLORATIONS}",
                hint="submit several sweeps",
            )
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


class SweepSummary(StrictModel):
    """One line of the list of sweeps."""

    id: str
    job_id: Annotated[str | None, Field(description="null: it is nothing but its explorations")]
    name: str
    labels: Labels
    explorations: Annotated[dict[JobState, int], Field(description="how many are in which state")]
    created_at: datetime


class Sweep(SweepSummary):
    """One sweep: `GET /explorations?sweep_id=` lists its explorations."""

    note: Note
    document: dict[str, Any]
    results: dict[str, Any] | None


class SweepPage(StrictModel):
    """Sweeps, newest first."""

    items: tuple[SweepSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]
