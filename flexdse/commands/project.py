"""`flexdse generate`, `flexdse csim` and `flexdse pack`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.console import emit, emit_json, note, note_item
from flexdse.options import AsJson, Design, Device, Force, Model, OutputTokens, PromptTokens, Server

if TYPE_CHECKING:
    from spec.csim_report import CsimMode, CsimReport


def generate(
    design: Design,
    model: Model,
    device: Device,
    out: Annotated[Path, typer.Option("--out", help="Folder of the project.")],
    prompt_tokens: PromptTokens = 1024,
    output_tokens: OutputTokens = 1024,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the golden vectors.")] = 0,
    force: Force = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Write the HLS project of a design: the kernels of both stages, host program, testbenches, golden vectors, Vitis files.

    Exit code 3 if the design does not fit the card; the project is written all the same where it can be built.
    """
    from cost_models.report import evaluate_point
    from flexdse.commands.evaluate import EXIT_INFEASIBLE, violation_text
    from hls_gen.project import generate_project
    from spec.built_design import built_otherwise
    from spec.catalog import resolve_design, resolve_device, resolve_model
    from spec.strict import validate
    from spec.workload import Workload

    point, config, card = resolve_design(design), resolve_model(model), resolve_device(device)
    workload = validate(Workload, {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens})
    violations = evaluate_point(point, config, card, workload).violations
    if server is not None:
        from flexdse.remote_projects import generate_there

        folder = generate_there(server, point, config, card, workload, out, seed=seed, force=force)
    else:
        folder = generate_project(point, config, card, workload, out, force=force, seed=seed)
    if as_json:
        emit_json(json.loads((folder / "manifest.json").read_text()))
    else:
        emit(f"wrote {folder}; prove it with: flexdse csim {shlex.quote(str(folder))}")
    for violation in violations:
        note_item(violation_text(violation.model_dump()), mark="DOES NOT FIT  ")
    if (otherwise := built_otherwise(point)) is not None:
        note(otherwise)
    if violations:
        raise typer.Exit(EXIT_INFEASIBLE)


def csim(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="ap_int of exact widths instead of native integers.")
    ] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Compile and run the C simulation: every module's values against the golden reference. Exit code 1 on a difference."""
    mode: CsimMode = "strict" if strict else "fast"
    report = _csim_there(server, directory, mode) if server is not None else _csim_here(directory, mode)
    if as_json:
        emit_json(report.model_dump(mode="json", by_alias=True))
    else:
        emit(report.summary_line())
    if report.modified_files:
        note(f"edited since generation, so this proves the edited project: {', '.join(report.modified_files)}")
    if not report.passed:
        raise typer.Exit(1)


def _csim_here(directory: Path, mode: CsimMode) -> CsimReport:
    from hls_gen.toolchain.csim import run_csim

    # The report's summary is the last line of the log too: once is enough.
    return run_csim(directory, mode=mode, on_log=lambda line: None if line.startswith("csim: ") else note(line))


def _csim_there(server: str, directory: Path, mode: CsimMode) -> CsimReport:
    from flexdse.remote_projects import run_there
    from spec.csim_report import CsimReport
    from spec.strict import validate

    (document,) = run_there(server, directory, "csim", {"mode": mode})
    return validate(CsimReport, document)


def pack(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="Folder that `flexdse quantize` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the images, one a memory port.")],
) -> None:
    """Lay a quantized checkpoint out as the memory images that the host program of a project uploads."""
    from hls_gen.manifest import load_manifest
    from hls_gen.plan import plan_project
    from hls_gen.text import write_images
    from spec.design_point import DesignPoint
    from spec.device import Device
    from spec.model_config import ModelConfig
    from spec.quantized_checkpoint import load_checkpoint
    from spec.strict import validate

    inputs = load_manifest(directory).inputs
    plan = plan_project(
        validate(DesignPoint, inputs.design),
        validate(ModelConfig, inputs.model),
        validate(Device, inputs.device),
        inputs.workload,
        inputs.seed,
    )
    written = write_images(plan, load_checkpoint(checkpoint), out)
    emit(f"wrote {written / 1e6:.0f} MB of images to {out}")
    if plan.prefill.hmt is not None:
        note("HMT: W_q, W_k and T are random numbers from the project's seed; no checkpoint holds trained ones")
