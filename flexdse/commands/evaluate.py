"""`flexdse evaluate`: price one design."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.commands.calibrate import Calibration
from flexdse.console import emit, emit_item, emit_json, table
from flexdse.options import AsJson, Design, Device, Model, OutputTokens, PromptTokens, Server

if TYPE_CHECKING:
    from cost_models.evaluate import Context
    from spec.design_point import DesignPoint
    from spec.device import Device as DeviceDocument
    from spec.model_config import ModelConfig
    from spec.workload import Workload

EXIT_INFEASIBLE = 3


def evaluate(
    design: Design,
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    swap_s: Annotated[float | None, typer.Option("--swap-s", help="Seconds to load the second bitstream.")] = None,
    calibration: Calibration = None,
    floorplan: Annotated[
        bool, typer.Option("--floorplan/--no-floorplan", help="Assign the modules to SLRs by an exact solver.")
    ] = True,
    formula: Annotated[
        str | None,
        typer.Option(
            "--formula", help="Follow one number to its formula, law and constants: tpot_s, prefill.resources.lut ..."
        ),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Price one design: metrics, breakdown, resources, memories, floorplan, violations, assumptions, error bands.

    Exit code 3 if it does not fit; the document is printed all the same.
    """
    from cost_models.evaluate import Context
    from dse.verdict import evaluation_with_floorplan
    from flexdse.calibration_files import read_calibration
    from spec.catalog import resolve_design, resolve_device, resolve_model
    from spec.errors import InputError
    from spec.strict import validate
    from spec.workload import Workload

    workload = validate(Workload, {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens})
    if swap_s is not None and not 0 <= swap_s <= 3600:
        raise InputError("swap time out of range", field="--swap-s", value=swap_s, rule="0 to 3600 seconds",
                         hint="the paper says 0.3, FlexLLM's power log shows about 9")  # fmt: skip
    point, config, card = resolve_design(design), resolve_model(model), resolve_device(device)
    table_of_factors = None
    if server is not None:
        document = _evaluated_there(server, point, config, card, workload, here_only=swap_s or calibration or formula)
    else:
        table_of_factors = read_calibration(calibration) if calibration is not None else None
        document = evaluation_with_floorplan(
            point,
            config,
            card,
            workload,
            swap_s=swap_s,
            calibration=table_of_factors,
            floorplan=floorplan and formula is None,
        )
    if formula is not None:
        context = Context(config, card, workload, point.quant_scheme, swap_s=swap_s, hmt=point.hmt,
                          calibration=table_of_factors, system=point.system)  # fmt: skip
        _print_formula(formula, document, point, context, as_json)
    elif as_json:
        emit_json(document)
    else:
        _print(document)
    if document["violations"]:
        raise typer.Exit(EXIT_INFEASIBLE)


def _print_formula(name: str, document: dict[str, Any], point: DesignPoint, context: Context, as_json: bool) -> None:
    """The trace of one number; JSON: a list of its steps."""
    from dataclasses import asdict

    from cost_models.formulas import Evaluated, lines

    steps = Evaluated(document, point, context).trace(name)
    if as_json:
        emit_json([asdict(step) for step in steps])
        return
    for line in lines(steps):
        emit(line)


def _evaluated_there(
    server: str, design: DesignPoint, model: ModelConfig, device: DeviceDocument, workload: Workload, here_only: object
) -> dict[str, Any]:
    from flexdse.remote import evaluate as evaluate_there
    from spec.errors import InputError

    if here_only is not None:
        raise InputError(
            "a service prices with its own swap time, without a calibration file, and explains no formula",
            field="--server",
            value=server,
            rule="without --swap-s, --calibration and --formula",
            hint="leave --server out, or put the swap time into a device file: reconfiguration.swap_s",
        )
    return evaluate_there(server, design, model, device, workload)


_VERDICTS = {
    "fits": "fits the card",
    "within_band": "fits, with a limit within the error band of its estimate",
    "does_not_fit": "DOES NOT FIT the card",
}


def _print(document: dict[str, Any]) -> None:
    from flexdse.figures import figure
    from flexdse.front_quality import quality_text
    from spec.cost_report import QualityReport
    from spec.metrics import METRICS

    inputs = document["inputs"]
    emit(f"{inputs['model']} on {inputs['device']}, {inputs['prompt_tokens']} tokens in, {inputs['output_tokens']} out; "
         f"provenance: {document['provenance']}")  # fmt: skip
    emit(f"verdict: {_VERDICTS[document['fit']]}; the limits are at the end")
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
    if (quality := document["quality"])["value"] is not None:
        emit_item(f"Model quality: {quality_text(QualityReport.model_validate(quality))}")
    emit()
    total = {stage: document[stage]["cycles"] for stage in ("prefill", "decode")}
    rows = [
        [f"{m['stage']}.{m['module']}", f"{m['cycles']:,.0f}", f"{m['cycles'] / total[m['stage']]:.1%}"
         if total[m["stage"]] else "-", m["bound_by"], f"in {m['dsp_in']}" if m["dsp"] is None else f"{m['dsp']:,}"]
        for m in document["breakdown"]
    ]  # fmt: skip
    emit(table(rows, ["module", "critical cycles", "share", "bound by", "DSP"], ["bound by"]))
    emit()
    kinds = list(document["prefill"]["resources"])
    rows = [
        [stage, *(f"{document[stage]['resources'][k]:,} ({document[stage]['utilization'][k]:.0%})" for k in kinds),
         f"{document[stage]['clb_fraction']:.0%}"]
        for stage in ("prefill", "decode")
    ]  # fmt: skip
    emit(table(rows, ["kernel (% of card)", *kinds, "clb"]))
    emit("(the share of the card includes its shell)")
    emit()
    _print_stages(document)
    _print_memories(document["capacity"])
    _print_floorplan(document)
    if hmt := document.get("hmt"):
        own = hmt["plugin_latency_s_per_segment"]
        each = "" if own is None else f", {figure('prefill_latency_s', own)} of the plug-in's own time each"
        emit(f"HMT: {hmt['segments']} segments of {hmt['segment_tokens']} tokens{each}")
        emit()
    for violation in document["violations"]:
        emit_item(violation_text(violation), mark="DOES NOT FIT  ")
    for limit in document["open_limits"]:
        emit_item(open_limit_text(limit), mark="WITHIN THE BAND  ")
    if document["violations"] or document["open_limits"]:
        emit()
    emit("assumptions:")
    for assumption in document["assumptions"]:
        emit_item(assumption)


def _print_stages(document: dict[str, Any]) -> None:
    rows = []
    for stage in ("prefill", "decode"):
        row = document[stage]
        energy, power = row["energy_j_per_token"], row["power_w"]
        rows.append(
            [
                stage,
                f"{row['clock_mhz']:.0f} MHz",
                f"{row['clock_target_mhz']:.0f} MHz",
                f"{row['achievable_clock_mhz']:.0f} MHz",
                "-" if power is None else f"{power:.1f} W",
                "-" if energy is None else f"{energy:.4g} J",
            ]
        )
    emit(table(rows, ["bitstream", "clock", "asked for", "expected of the tools", "board power", "energy a token"]))
    emit()


def _print_memories(capacity: dict[str, Any]) -> None:
    rows = [
        [
            f"{use['stage']} in {use['memory'].upper()}",
            f"{use['stored_bytes'] / 2**20:,.0f} MiB",
            f"{use['even_fraction']:.0%}",
            "-" if use["fullest_channel"] is None else f"{use['fullest_channel']}",
            f"{use['fullest_channel_bytes'] / 2**20:,.0f} of {use['channel_capacity_bytes'] / 2**20:,.0f} MiB",
            "fits" if use["fits"] else "DOES NOT FIT",
        ]
        for use in capacity["memories"]
    ]
    emit(table(rows, ["memory", "stored", "of all", "fullest channel", "holds", "verdict"], ["verdict"]))
    for use in capacity["memories"]:
        if not use["fits"]:
            emit_item(f"{use['message']}. To make it fit: {' or '.join(use['levers'])}")
    for need in capacity["card"]:
        emit_item(f"the model on this card, any design: {need['message']}")
    emit()


def _print_floorplan(document: dict[str, Any]) -> None:
    plan = document.get("floorplan")
    if plan is None:
        emit(f"no floorplan: {document.get('floorplan_missing', 'a service prices without one')}")
        emit()
        return
    for bitstream in plan["bitstreams"]:
        best = ", fewest crossings" if bitstream["proven_optimal"] else ""
        emit(f"floorplan of {' + '.join(bitstream['stages'])}: {bitstream['status'].replace('_', ' ')}{best}")
        if bitstream["regions"]:
            kinds = ("clb", "lut", "ff", "dsp", "bram_18k", "uram")
            rows = [
                [region["slr"], *(f"{region[f'{kind}_fraction']:.0%}" for kind in kinds)]
                for region in bitstream["regions"]
            ]
            emit(table(rows, ["SLR", *kinds]))
            for region in bitstream["regions"]:
                for line in textwrap.wrap(f"{region['slr']}: {_modules(region['modules'])}", 94):
                    emit_item(line, mark="  - " if line.startswith(region["slr"]) else "    ")
        for crossing in bitstream["boundaries"]:
            part = "" if crossing["fraction"] is None else f", {crossing['fraction']:.0%} of the wires with the shell's"
            emit_item(f"{crossing['boundary']}: {crossing['stream_bits']:,} bits of streams cross{part}")
    emit()


def _modules(units: list[str]) -> str:
    """Units of an SLR, the numbered parts of a module together: `prefill.gate_up_proj 3 4 5`."""
    parts: dict[str, list[str]] = {}
    for unit in units:
        name, _, number = unit.rpartition("_")
        module, part = (name, number) if number.isdigit() else (unit, "")
        parts.setdefault(module, []).append(part)
    return ", ".join(" ".join([module.split(".", 1)[1], *numbers]).strip() for module, numbers in parts.items()) or "-"


def open_limit_text(limit: dict[str, Any]) -> str:
    """A limit that the estimate can neither keep nor break, in one line."""
    from spec.limit_words import limit_amount

    demand, bound = (limit_amount(limit[key], limit["unit"]) for key in ("demand", "bound"))
    return (
        f"{limit['where']} {limit['constraint']}: {demand} of at most {bound}, "
        f"estimated {limit['relative_low']:+.0%} .. {limit['relative_high']:+.0%}"
    )


# Rules whose demand is what the design needs, and whose bound is what it has of it.
_NEEDED = ("fifo_depth", "port_per_head", "port_feeds_lanes")


def violation_text(violation: dict[str, Any]) -> str:
    """A violated rule in one line: what, where, by how much, what would make it fit, and what only brings it nearer."""
    from spec.limit_words import limit_amounts

    where, unit = violation["where"], violation["unit"]
    demand, bound = limit_amounts(violation["demand"], violation["bound"], unit)
    if unit == "remainder":
        amount = f"{where}: a remainder of {demand.removesuffix(f' {unit}')}, none may be left"
    elif violation["constraint"] in _NEEDED:
        amount = f"{where}: {demand} needed, {bound.removesuffix(f' {unit}')} there"
    else:
        amount = f"{where}: {demand.removesuffix(f' {unit}')} where at most {bound} may be"
    enough, partial = violation["levers"], violation.get("partial_levers", ())
    levers = f"To make it fit: {' or '.join(enough)}" if enough else "Nothing that was tried makes it fit"
    if partial:
        levers += f". Only lowers it: {' or '.join(partial)}"
    return f"{violation['message']} ({amount}; rule {violation['constraint']}). {levers}"
