"""Why a design is as it is, and two of them beside each other. Each in a process of its own: a target takes seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.catalog_names import DesignField, DeviceField, ModelField
from api.designs.processes import in_processes
from spec.documents import envelope
from spec.metrics import metric
from spec.strict import StrictModel
from spec.workload import Workload

SENSITIVITY_METRICS = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")


class ExplainRequest(StrictModel):
    """A design to explain, for a model on a device under a workload."""

    design: DesignField
    model: ModelField
    device: DeviceField
    workload: Workload
    metrics: Annotated[tuple[str, ...], Field(min_length=1, max_length=40, description="of the sensitivity")] = (
        SENSITIVITY_METRICS
    )
    target: Annotated[
        str | None,
        Field(max_length=200, description='what would it take, such as "decode_tokens_per_s >= 500"? Takes seconds'),
    ] = None


class CompareRequest(StrictModel):
    """Two designs to compare, for a model on a device under a workload."""

    first: DesignField
    second: DesignField
    model: ModelField
    device: DeviceField
    workload: Workload


class CompareReferenceRequest(StrictModel):
    """A design to compare with a reference system."""

    design: DesignField
    model: ModelField
    device: DeviceField
    workload: Workload
    reference: Annotated[str, Field(max_length=200, description="a name of GET /references")]


class _Document(StrictModel):
    schema_name: Annotated[str, Field(alias="schema")]
    flexdse_version: str
    model_version: str
    timing_table_version: str
    provenance: Literal["analytical"]


class Explanation(_Document):
    """The document of `flexdse explain --json`."""

    binding: Annotated[
        dict[str, Any], Field(description="by stage: slowest modules, resources near their caps; `binds`")
    ]
    sensitivity: Annotated[dict[str, Any], Field(description="`knobs`: what one step of each, down and up, changes")]
    target: Annotated[
        dict[str, Any] | None, Field(description="the nearest designs that meet it, or why none does")
    ] = None


class Comparison(_Document):
    """The document of `flexdse explain --against --json`."""

    comparison: Annotated[
        dict[str, Any], Field(description="`knobs` that differ, `metrics` with their change, what `binds` each")
    ]


class ReferenceComparison(_Document):
    """The document of `flexdse compare --json`: above 1 the design is better."""

    inputs: dict[str, Any]
    feasible: bool
    reference: dict[str, Any]
    ratios: dict[str, float | None]
    missing: dict[str, str]
    assumptions: tuple[str, ...]


class ReferenceSystem(StrictModel):
    """A system to compare with; its times are for one model."""

    name: str
    title: str
    model: str
    provenance: str


class ReferenceList(StrictModel):
    """Every reference system, by name."""

    items: tuple[ReferenceSystem, ...]


def explained(request: ExplainRequest) -> dict[str, Any]:
    """What binds the design, what one step of each knob changes, and the way to the target where one is given.

    Raises:
        InputError: the design is not in the search space, an unknown metric, or a target that is no constraint.
    """
    for name in request.metrics:
        metric(name, "metrics")
    return in_processes(_explain, [request])[0]


def compared(request: CompareRequest) -> dict[str, Any]:
    """Two designs knob by knob and metric by metric."""
    return in_processes(_compare, [request])[0]


def compared_with_reference(request: CompareReferenceRequest) -> dict[str, Any]:
    """A design against a reference system.

    Raises:
        UnknownNameError: no such reference.
        InputError: its times are for another model.
    """
    from dse.references import compare_document

    return compare_document(request.design, request.model, request.device, request.workload, request.reference)


def references() -> ReferenceList:
    """Every reference system."""
    from dse.references import known_system, reference_names

    return ReferenceList(
        items=tuple(
            ReferenceSystem(name=known.name, title=known.title, model=known.model, provenance=known.provenance)
            for known in map(known_system, reference_names())
        )
    )


def _explain(request: ExplainRequest) -> dict[str, Any]:
    from dse.explain import binding, nearest, sensitivity

    inputs = (request.design, request.model, request.device, request.workload)
    found: dict[str, Any] = {**envelope("explanation/v1"), "provenance": "analytical", "binding": binding(*inputs)}
    if request.target is not None:
        found["target"] = nearest(*inputs, request.target, request.metrics)
    found["sensitivity"] = sensitivity(*inputs, request.metrics)
    return found


def _compare(request: CompareRequest) -> dict[str, Any]:
    from dse.explain import compare_designs

    return {
        **envelope("explanation/v1"),
        "provenance": "analytical",
        "comparison": compare_designs(request.first, request.second, request.model, request.device, request.workload),
    }
