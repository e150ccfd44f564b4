"""`flexdse compare`: one design against a reference system."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flexdse.console import emit, emit_json, table
from flexdse.options import AsJson, Design, Device, Model, OutputTokens, PromptTokens

EXIT_INFEASIBLE = 3

_TITLES = {
    "e2e_speedup": "end-to-end speed-up",
    "decode_speedup": "decode speed-up",
    "tokens_per_j_ratio": "tokens per J",
    "e2e_speedup_over_limit": "end-to-end speed-up over the reference's roofline limit",
    "decode_speedup_over_limit": "decode speed-up over the reference's bandwidth limit",
}


def compare(
    design: Design,
    model: Model,
    device: Device,
    prompt_tokens: PromptTokens,
    output_tokens: OutputTokens,
    reference: Annotated[
        str, typer.Option("--reference", help="A reference system, or a catalog design with published times.")
    ] = "a100-bf16",
    as_json: AsJson = False,
) -> None:
    """Speed-up and energy ratio of a design over a reference; above 1 the design is better.

    Exit code 3 if the design does not fit; the document is printed all the same.
    """
    document = compare_document(design, model, device, prompt_tokens, output_tokens, reference)
    if as_json:
        emit_json(document)
    else:
        _print(document)
    if not document["feasible"]:
        raise typer.Exit(EXIT_INFEASIBLE)


def compare_document(
    design: str, model: str, device: str, prompt_tokens: int, output_tokens: int, reference: str
) -> dict[str, Any]:
    """The JSON document of `compare --json`.

    Raises:
        InputError: bad input, or a reference whose times are for another model.
    """
    from dse import references
    from spec.catalog import resolve_design, resolve_device, resolve_model
    from spec.strict import validate
    from spec.workload import Workload

    workload = validate(Workload, {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens})
    return references.compare_document(
        resolve_design(design), resolve_model(model), resolve_device(device), workload, reference
    )


def _print(document: dict[str, Any]) -> None:
    inputs, reference = document["inputs"], document["reference"]
    emit(f"{inputs['model']} on {inputs['device']}, {inputs['prompt_tokens']} tokens in, {inputs['output_tokens']} out, "
         f"against {reference['title']}; provenance: {document['provenance']}")  # fmt: skip
    if not document["feasible"]:
        emit("the design does not fit: see `flexdse evaluate`")
    emit()
    rows = [[_TITLES[name], "-" if value is None else f"{value:.3g}x"] for name, value in document["ratios"].items()]
    emit(table(rows, ["above 1: the design is better", "ratio"]))
    for name, reason in document["missing"].items():
        emit(f"  - {_TITLES[name]}: {reason}")
    emit()
    times = [[name, "-" if value is None else f"{value:.4g}"] for name, value in reference["times"].items()]
    for name, value in (reference["limits"] or {}).items():
        times.append([f"limit of {name}", f"{value:.4g}"])
    emit(table(times, [f"reference {reference['name']}", "value"]))
    if reference["residuals"]:
        emit()
        rows = [
            [f"{r['design']} {r['quantity']}", f"{r['published']:.3g}x", f"{r['explained']:.3g}x",
             "tests nothing" if r["tests_nothing"] else f"{r['explained'] / r['published'] - 1:+.1%}"]
            for r in reference["residuals"]
        ]  # fmt: skip
        emit(table(rows, ["ratio that the reference is implied by", "published", "explained", "residual"]))
    emit()
    emit("assumptions:")
    for assumption in document["assumptions"]:
        emit(f"  - {assumption}")
