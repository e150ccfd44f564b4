"""One row of a table of evaluations as a whole design again, with what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cost_models.report import evaluate_point
from dse.overrides import Overrides
from dse.spread import embedding_bytes
from spec.design_columns import PORT_BITS_COLUMN, column_value
from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.errors import InputError
from spec.exploration import ExplorationRequest
from spec.goals import parse_constraint, parse_objective
from spec.metrics import METRICS
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.spread_memory_map import spread_memory_map
from spec.violation import Violation

_NEEDED = (
    *(
        f"{stage}.{name}"
        for stage, kind in (("prefill", PrefillDesign), ("decode", DecodeDesign))
        for name in kind.model_fields
        if name != "modules"
    ),
    PORT_BITS_COLUMN,
    "clock_target_mhz.prefill",
    "clock_target_mhz.decode",
    "quant_scheme.name",
    "deployment",
    "nonlinear_format",
)


def design_of_row(request: ExplorationRequest, row: Mapping[str, Any]) -> DesignPoint:
    """The design of a row (columns as `spec.design_columns` names them), its memory spread as the search does it.

    Raises:
        InputError: its modules are none that this version searches.
    """
    absent = next((name for name in _NEEDED if row.get(name) is None), None)
    if absent is not None:
        raise InputError(
            "this row is not a whole design",
            field="row",
            value=absent,
            rule=f"a row has {', '.join(_NEEDED)}",
            hint="run the exploration again",
        )
    wanted = Overrides(request.space or SpaceOverrides())
    scheme = scheme_named(row["quant_scheme.name"])
    prefill = PrefillDesign.model_validate(
        {**_parameters(row, "prefill", PrefillDesign), "modules": _modules(row, "prefill", wanted.prefill_modules())}
    )
    decode = DecodeDesign.model_validate(
        {**_parameters(row, "decode", DecodeDesign), "modules": _modules(row, "decode", wanted.decode_modules())}
    )
    port_bits = int(row[PORT_BITS_COLUMN])
    memory_map = spread_memory_map(prefill, decode, request.device, scheme, port_bits, embedding_bytes(request.model))
    clocks = StageClocks(prefill=row["clock_target_mhz.prefill"], decode=row["clock_target_mhz.decode"])
    return DesignPoint(
        deployment=row["deployment"],
        prefill=prefill,
        decode=decode,
        memory_map=memory_map,
        quant_scheme=scheme,
        nonlinear_format=row["nonlinear_format"],
        clock_target_mhz=clocks,
    )


def _parameters(row: Mapping[str, Any], stage: str, kind: type[PrefillDesign] | type[DecodeDesign]) -> dict[str, Any]:
    return {name: row[f"{stage}.{name}"] for name in kind.model_fields if name != "modules"}


def _modules(row: Mapping[str, Any], stage: str, known: tuple[Any, ...]) -> Any:
    """The module set that stands in the row, as text, choice by choice."""
    prefix = f"{stage}.modules."
    told = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    for modules in known:
        texts = {name: column_value(value) for name, value in modules.model_dump(mode="json").items()}
        if {name: value if value is None else str(value) for name, value in texts.items()} == told:
            return modules
    raise InputError(
        f"the {stage} modules of this design are none that this version searches",
        field="row",
        value=told,
        rule="a design of the space as this version has it",
        hint="run the exploration again",
    )


def row_document(request: ExplorationRequest, row: Mapping[str, Any]) -> dict[str, Any]:
    """The design of a row as plain data: `key`, `design`, `metrics`, and what the search held against it.

    `violations` are those of its evaluation, and the limits whose estimate is above the bound within its error band:
    a search takes estimates as they are. `missed` are constraints of the request.

    Raises:
        InputError: as `design_of_row`.
    """
    design = design_of_row(request, row)
    report = evaluate_point(design, request.model, request.device, request.workload)
    violations = [*report.violations]
    for limit in report.open_limits:
        if not limit.demand <= limit.bound:
            known = Violation.model_fields.keys() & type(limit).model_fields.keys()
            violations.append(Violation(**{name: getattr(limit, name) for name in known}))
    missed = []
    for constraint in map(parse_constraint, request.constraints):
        value = constraint.expression.of(report.metrics)
        if value is None or (value - constraint.bound) * constraint.sign > 0:
            missed.append(constraint.text)
    for objective in map(parse_objective, request.objectives):
        if objective.name not in METRICS and objective.expression.of(report.metrics) is None:
            missed.append(f"{objective.name} has a value")
    return {
        "key": design.canonical_key(),
        "design": design.model_dump(mode="json", by_alias=True),
        "metrics": report.metrics,
        "violations": [violation.model_dump(mode="json") for violation in violations],
        "missed": missed,
    }
