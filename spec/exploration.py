"""ExplorationRequest: one search job, the same for REST, CLI, sweeps and Python."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from spec.context_limit import check_context
from spec.device import Device
from spec.errors import InputError
from spec.goals import MAX_CONSTRAINTS, check_goals, parse_constraint, parse_objective, split_objectives
from spec.metrics import DEFAULT_OBJECTIVES
from spec.model_config import ModelConfig
from spec.space_overrides import SpaceOverrides
from spec.strict import StrictModel
from spec.workload import Workload

Method = Literal["exact", "stagewise", "nsga2", "nsga3", "tpe", "gp", "qmc", "random"]
METHODS: tuple[Method, ...] = ("exact", "stagewise", "nsga2", "nsga3", "tpe", "gp", "qmc", "random")
# A sampler that a user registered under a name of their own.
PluginMethod = Annotated[str, Field(pattern=r"^plugin:[a-z0-9][a-z0-9_.-]{0,63}$")]
MAX_BUDGET = 10_000_000
FLOORPLAN_LIMIT_S = 30.0  # ten times what the bitstreams of a front of a thousand co-resident designs take


class ExplorationRequest(StrictModel):
    """What to search. `model` and `device` hold the whole documents, so that a result stands on its own."""

    schema_name: Annotated[Literal["flexdse/exploration-request/v1"], Field(alias="schema")] = (
        "flexdse/exploration-request/v1"
    )
    name: Annotated[str, Field(max_length=200)] = ""
    model: ModelConfig
    device: Device
    workload: Workload
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    constraints: Annotated[
        tuple[str, ...], Field(max_length=MAX_CONSTRAINTS, description="EXPRESSION <= NUMBER or >= NUMBER")
    ] = ()
    space: Annotated[SpaceOverrides | None, Field(description="changes to the default design space")] = None
    epsilon: Annotated[
        float, Field(ge=0, le=1, description="designs within this fraction in every objective count as one")
    ] = 0.0
    floorplan: Annotated[
        bool, Field(description="cut what the exact assignment to SLRs refuses, and solve the front again without it")
    ] = True
    floorplan_limit_s: Annotated[
        float,
        Field(
            gt=0,
            le=86_400,
            description="processor seconds in which bitstreams are assigned; what is left then is kept and counted as unchecked",
        ),
    ] = FLOORPLAN_LIMIT_S
    method: Method | PluginMethod = "exact"
    budget: Annotated[int, Field(ge=1, le=MAX_BUDGET, description="evaluations; not used by exact")] = 2_000
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0

    @field_validator("objectives", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return split_objectives(value)
        return tuple(value) if isinstance(value, list) else value

    @field_validator("objectives")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_goals(value)

    @field_validator("constraints")
    @classmethod
    def _bounded(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_constraint(text).text for text in value)

    @model_validator(mode="after")
    def _fits(self) -> ExplorationRequest:
        check_context(self.model, self.workload)
        wanted = {name for text in self.objectives for name in parse_objective(text).expression.directions}
        if self.workload.output_tokens == 1 and {"tpot_s", "decode_tokens_per_s"} & wanted:
            raise InputError(
                "one output token has no time per further token",
                field="objectives",
                value="tpot_s",
                rule="tpot_s needs output_tokens >= 2",
                hint="drop the objective or ask for more output tokens",
            )
        return self
