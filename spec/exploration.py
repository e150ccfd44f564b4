"""ExplorationRequest: one search job, the same for REST, CLI, sweeps and Python."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from spec.device import Device
from spec.errors import InputError
from spec.metrics import DEFAULT_OBJECTIVES, check_objectives
from spec.model_config import ModelConfig
from spec.strict import StrictModel
from spec.workload import Workload

Method = Literal["exact", "nsga2", "random"]
METHODS: tuple[Method, ...] = ("exact", "nsga2", "random")
MAX_BUDGET = 10_000_000


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
    method: Method = "exact"
    budget: Annotated[int, Field(ge=1, le=MAX_BUDGET, description="evaluations; not used by exact")] = 2_000
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0

    @field_validator("objectives", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(","))
        return tuple(value) if isinstance(value, list) else value

    @field_validator("objectives")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_objectives(value)

    @model_validator(mode="after")
    def _fits(self) -> ExplorationRequest:
        limit = self.model.max_context_tokens
        if self.workload.context_tokens > limit:
            raise InputError(
                "the workload is longer than the model's context",
                field="workload",
                value=self.workload.context_tokens,
                rule=f"prompt_tokens + output_tokens - 1 <= max_context_tokens = {limit}",
                hint="shorten the prompt or the output",
            )
        if self.workload.output_tokens == 1 and {"tpot_s", "decode_tokens_per_s"} & set(self.objectives):
            raise InputError(
                "one output token has no time per further token",
                field="objectives",
                value="tpot_s",
                rule="tpot_s needs output_tokens >= 2",
                hint="drop the objective or ask for more output tokens",
            )
        return self
