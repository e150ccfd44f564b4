"""`flexdse explain`: what limits a design, what each knob does to it, what it would take to meet a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flexdse.console import emit, emit_item, emit_json, table
from flexdse.options import AsJson, Design, Device, Model, OutputTokens, PromptTokens

if TYPE_CHECKING:
    from spec.design_point import DesignPoint
    from spec.device import Device as DeviceDocument
    from spec.model_config import ModelConfig
    from spec.workload import Workload

MAX_KNOBS = 12


class Inputs(NamedTuple):
    """What a design is explained for."""

    model: ModelConfig
    device: DeviceDocument
    workload: Workload


def explain(
    design: Design,
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    target: Annotated[
        str | None, typer.Option("--target", help='What would it take, such as "decode_tokens_per_s >= 500"?')
    ] = None,
    against: Annotated[str | None, typer.Option("--against", help="Another design, to compare knob by knob.")] = None,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Metrics of the sensitivity, separated by commas.")
    ] = "ttft_s,tpot_s,energy_j_per_token,max_utilization",
    as_json: AsJson = False,
) -> None:
    """Explain a design: what binds it, what one step of each knob changes, the nearest design that meets a target.

    With --against, two designs side by side: knobs that differ, metrics, what binds each.
    """
    from spec.catalog import resolve_design, resolve_device, resolve_model
    from spec.documents import envelope
    from spec.metrics import metric
    from spec.strict import validate
    from spec.workload import Workload

    workload = validate(Workload, {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens})
    config, card, point = resolve_model(model), resolve_device(device), resolve_design(design)
    names = tuple(metric(name.strip(), "--metrics").name for name in metrics.split(","))
    inputs = Inputs(config, card, workload)
    document: dict[str, Any] = {**envelope("explanation/v1"), "provenance": "analytical"}
    if against is not None:
        from dse.explain import compare_designs

        document["comparison"] = compare_designs(point, resolve_design(against), config, card, workload)
    else:
        document |= _of_one(point, inputs, names, target)
    if as_json:
        emit_json(document)
    else:
        _print(document, names)


def _of_one(point: DesignPoint, inputs: Inputs, names: tuple[str, ...], target: str | None) -> dict[str, Any]:
    from dse.explain import binding, nearest, sensitivity

    found: dict[str, Any] = {"binding": binding(point, inputs.model, inputs.device, inputs.workload)}
    if target is not None:
        found["target"] = nearest(point, inputs.model, inputs.device, inputs.workload, target, names)
    found["sensitivity"] = sensitivity(point, inputs.model, inputs.device, inputs.workload, names)
    return found


def _print(document: dict[str, Any], names: tuple[str, ...]) -> None:
    if "comparison" in document:
        _print_comparison(document["comparison"])
        return
    emit("what binds:")
    for line in document["binding"]["binds"]:
        emit_item(line)
    if "target" in document:
        _print_target(document["target"])
    emit()
    rows = []
    for knob in document["sensitivity"]["knobs"][:MAX_KNOBS]:
        for step in knob["steps"]:
            changes = [_percent(step["change"].get(name)) for name in names]
            verdict = "" if step["feasible"] else "not placed" if step["floorplan"] == "refused" else "does not fit"
            rows.append([knob["knob"], f"{knob['value']} -> {step['to']}", *changes, verdict])
    emit(table(rows, ["one step of", "change", *names, ""], ["change", ""]))
    for reason in document["sensitivity"]["missing"].values():
        emit(reason)


def _percent(change: float | None) -> str:
    return "-" if change is None else f"{change:+.1%}"


def _print_target(found: dict[str, Any]) -> None:
    from dse.outside import LEFT_OUT
    from flexdse.figures import figure

    emit()
    now = "" if found["now"] is None else f" (now {found['now']:.4g})"
    if found["met"]:
        emit(f"{found['target']}{now}: met as it is")
        return
    needed = found["changes_needed"]
    takes = None if needed is None else f"takes {needed} change{'' if needed == 1 else 's'}"
    emit(f"{found['target']}{now}: " + "; ".join(part for part in (takes, found["reason"]) if part))
    for number, option in enumerate(found["designs"], 1):
        changes = ", ".join(f"{c['knob']} {c['from']} -> {c['to']}" for c in option["changes"])
        shown = ", ".join(
            f"{name} {figure(name, option['metrics'].get(name))}" for name in ("ttft_s", "tpot_s", "max_utilization")
        )
        placed = {"within_band": "; fits the SLRs within the error band only", "unknown": "; floorplan not decided"}
        emit_item(f"{changes}: {shown}{placed.get(option['floorplan'], '')}", f"  {number}. ")
    for one in found["outside"]:
        band = ", with a limit within the error band" if one["fit"] == "within_band" else ""
        emit_item(f"outside this space {one['name']} of the catalog meets it: {one['value']:.4g}; it fits{band}")
    if found["outside"]:
        emit_item(LEFT_OUT)


def _print_comparison(found: dict[str, Any]) -> None:
    from flexdse.figures import figure

    rows = [[one["knob"], str(one["first"]), str(one["second"])] for one in found["knobs"]]
    emit(table(rows, ["knob", "first", "second"], ["first", "second"]))
    emit(f"({found['same_knobs']} knobs are equal)")
    emit()
    rows = [
        [one["name"], figure(one["name"], one["first"]), figure(one["name"], one["second"]), _percent(one["change"]),
         one["better"] or "-"]
        for one in found["metrics"]
    ]  # fmt: skip
    emit(table(rows, ["metric", "first", "second", "change", "better"], ["better"]))
    for side in ("first", "second"):
        emit()
        emit(f"what binds the {side}:")
        for line in found["binds"][side]:
            emit_item(line)
