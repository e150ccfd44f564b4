"""Published designs and the evaluation of a design."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from api.catalog_names import DesignField, DeviceField, ModelField
from api.designs.batch import COLUMNS, MAX_JSON_DESIGNS, MAX_JSON_ROWS
from spec.catalog import PublishedDesign
from spec.cost_report import CostReport
from spec.errors import InputError
from spec.floorplan import Floorplan
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


Column = Annotated[tuple[int | float, ...], Field(max_length=MAX_JSON_ROWS)]


class EvaluationRequest(StrictModel):
    """What to price: one `design`; or several whole `designs`; or `columns` of what differs from `design`.

    `model`, `device` and each design are a name (of the catalog, or of an upload) or a whole document.
    """

    design: Annotated[DesignField | None, Field(description="the design, or what columns are not about")] = None
    designs: Annotated[tuple[DesignField, ...] | None, Field(min_length=1, max_length=MAX_JSON_DESIGNS)] = None
    columns: Annotated[
        dict[str, Column] | None,
        Field(description=f"column -> a value for each design: {', '.join(COLUMNS)}. More than 10^5: send Arrow"),
    ] = None
    metrics: Annotated[tuple[str, ...] | None, Field(description="of a batch: only these")] = None
    model: ModelField
    device: DeviceField
    workload: Workload
    calibration: Annotated[
        str | None, Field(max_length=64, description="id of a calibration: its factors are applied")
    ] = None
    floorplan: Annotated[bool, Field(description="one design: assign its modules to SLRs, which takes seconds")] = False

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("design", "designs", "columns") if getattr(self, name) is not None]
        if given not in (["design"], ["designs"], ["design", "columns"]):
            raise InputError(
                "it is not clear what to price",
                field="design",
                value=" and ".join(given) or None,
                rule="design alone, designs alone, or columns with the design that they vary",
                hint="give one of the three",
            )
        if self.floorplan and given != ["design"]:
            raise InputError(
                "a floorplan is made of one design at a time",
                field="floorplan",
                value=True,
                rule="only with a design alone",
                hint="leave floorplan out, or ask for one design",
            )
        if self.metrics is not None and given == ["design"]:
            raise InputError(
                "one design is answered with all that is known of it",
                field="metrics",
                value=list(self.metrics),
                rule="only with designs or columns",
                hint="leave metrics out",
            )
        return self


class EvaluationBatch(StrictModel):
    """The priced designs, one list for each metric; `feasible` and `excess` (over a limit, relative) beside them."""

    schema_name: Annotated[str, Field(alias="schema")]
    flexdse_version: str
    model_version: str
    timing_table_version: str
    provenance: Literal["analytical"]
    model: str
    device: str
    missing: Annotated[dict[str, str], Field(description="metric without any value -> the reason")]
    rows: int
    columns: dict[str, tuple[float | bool | None, ...]]


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
    floorplan: Floorplan | None
    floorplan_missing: Annotated[str | None, Field(description="why there is no floorplan")] = None
