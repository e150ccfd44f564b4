"""`flexdse evaluate`: price one design."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flexdse.commands.calibrate import Calibration
from flexdse.console import emit, emit_item, emit_json, table
from flexdse.options import AsJson, Design, Device, Model, OutputTokens, PromptTokens

EXIT_INFEASIBLE = 3


def evaluate(
    design: Design,
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    swap_s: Annotated[float | None, typer.Option("--swap-s", help="Seconds to load the second bitstream.")] = None,
    calibration: Calibration = None,
    as_json: AsJson = False,
) -> None:
    """Price one design: metrics, breakdown, resources, violations, assumptions, error bands.

    Exit code 3 if it does not fit; the document is printed all the same.
    """
    from cost_models.report import evaluate_document
    from flexdse.calibration_files import read_calibration
    from spec.catalog import resolve_design, resolve_device, resolve_model
    from spec.errors import InputError
    from spec.strict import validate
    from spec.workload import Workload

    workload = validate(Workload, {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens})
    if swap_s is not None and not 0 <= swap_s <= 3600:
        raise InputError("swap time out of range", field="--swap-s", value=swap_s, rule="0 to 3600 seconds",
                         hint="the paper says 0.3, FlexLLM's power log shows about 9")  # fmt: skip
    document = evaluate_document(
        resolve_design(design),
        resolve_model(model),
        resolve_device(device),
        workload,
        swap_s=swap_s,
        calibration=read_calibration(calibration) if calibration is not None else None,
    )
    if as_json:
        emit_json(document)
    else:
        _print(document)
    if document["violations"]:
        raise typer.Exit(EXIT_INFEASIBLE)


def _print(document: dict[str, Any]) -> None:
    from flexdse.figures import figure
    from spec.metrics import METRICS

    inputs = document["inputs"]
    emit(f"{inputs['model']} on {inputs['device']}, {inputs['prompt_tokens']} tokens in, {inputs['output_tokens']} out; "
         f"provenance: {document['provenance']}")  # fmt: skip
    emit()
    bands = document["error_band"]
    rows = []
    for name, value in document["metrics"].items():
        band = bands.get(name) if value is not None else None
        shown = f"{band['relative_low']:+.0%} .. {band['relative_high']:+.0%}" if band else ""
        rows.append([METRICS[name].title, figure(name, value), shown])
    emit(table(rows, ["metric", "value", "error band"]))
    for name, reason in document["missing"].items():
        emit_item(f"{METRICS[name].title}: {reason}")
    emit()
    total = {stage: document[stage]["cycles"] for stage in ("prefill", "decode")}
    rows = [
        [f"{m['stage']}.{m['module']}", f"{m['cycles']:,.0f}", f"{m['cycles'] / total[m['stage']]:.1%}"
         if total[m["stage"]] else "-", m["bound_by"], f"{m['dsp']:,}"]
        for m in document["breakdown"]
    ]  # fmt: skip
    emit(table(rows, ["module", "critical cycles", "share", "bound by", "DSP"], ["bound by"]))
    emit()
    kinds = list(document["prefill"]["resources"])
    rows = [
        [stage, *(f"{document[stage]['resources'][k]:,} ({document[stage]['utilization'][k]:.0%})" for k in kinds)]
        for stage in ("prefill", "decode")
    ]
    emit(table(rows, ["kernel (% of card)", *kinds]))
    emit("(the share of the card includes its shell)")
    emit()
    if hmt := document.get("hmt"):
        own = hmt["plugin_latency_s_per_segment"]
        each = "" if own is None else f", {figure('prefill_latency_s', own)} of the plug-in's own time each"
        emit(f"HMT: {hmt['segments']} segments of {hmt['segment_tokens']} tokens{each}")
        emit()
    for violation in document["violations"]:
        emit_item(violation_text(violation), mark="DOES NOT FIT  ")
    if document["violations"]:
        emit()
    emit("assumptions:")
    for assumption in document["assumptions"]:
        emit_item(assumption)


def violation_text(violation: dict[str, Any]) -> str:
    """A violated rule in one line: what, where, by how much, and what would make it fit."""
    demand, bound = (f"{violation[key]:,.4g}" if abs(violation[key]) < 1e4 else f"{violation[key]:,.0f}"
                     for key in ("demand", "bound"))  # fmt: skip
    return (
        f"{violation['message']} ({violation['where']}: {demand} where at most {bound} {violation['unit']} may be; "
        f"rule {violation['constraint']}). To make it fit: {' or '.join(violation['levers'])}"
    )
