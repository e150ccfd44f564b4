"""Published designs and the evaluation of a design."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from api.catalog_names import DesignField, DeviceField, ModelField
from spec.catalog import PublishedDesign
from spec.cost_report import CostReport
from spec.strict import StrictModel
from spec.workload import Workload


class DesignSummary(StrictModel):
    """Key figures of a published design; the whole document is at `/designs/{name}`."""

    name: str
    title: str
    device: str
    model: str
    origin: str
    measured: dict[str, float]

    @classmethod
    def of(cls, design: PublishedDesign) -> Self:
        """The summary of `design`."""
        return cls(
            name=design.name,
            title=design.title,
            device=design.device,
            model=design.model,
            origin=design.origin,
            measured=design.measured,
        )


class DesignList(StrictModel):
    """Every published design of the catalog, by name."""

    items: tuple[DesignSummary, ...]


class EvaluationRequest(StrictModel):
    """One design to price. Each of the first three is a name of the catalog or a whole document."""

    design: DesignField
    model: ModelField
    device: DeviceField
    workload: Workload


class EvaluationInputs(StrictModel):
    """What was priced."""

    design_key: str
    model: str
    device: str
    prompt_tokens: int
    output_tokens: int


class Evaluation(CostReport):
    """The priced design: the document that `flexdse evaluate --json` prints."""

    schema_name: Annotated[str, Field(alias="schema")]
    flexdse_version: str
    model_version: str
    timing_table_version: str
    inputs: EvaluationInputs
