"""`flexdse generate` and `flexdse csim`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexdse.console import emit, emit_json, note
from flexdse.options import AsJson, Design, Device, Force, Model, OutputTokens, PromptTokens


def generate(
    design: Design,
    model: Model,
    device: Device,
    out: Annotated[Path, typer.Option("--out", help="Folder of the project.")],
    prompt_tokens: PromptTokens = 1024,
    output_tokens: OutputTokens = 1024,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the golden vectors.")] = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the HLS project of a design: the linear engines of both stages, testbench, golden vectors, Vitis files."""
    import json

    from flexdse.front_door import generate as write

    folder = write(design, model, device, out, workload=(prompt_tokens, output_tokens), force=force, seed=seed)
    if as_json:
        emit_json(json.loads((folder / "manifest.json").read_text()))
    else:
        emit(f"wrote {folder}; prove it with: flexdse csim {folder}")


def csim(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")], as_json: AsJson = False
) -> None:
    """Compile and run the C simulation: every output bit against the golden vectors. Exit code 1 on a difference."""
    from flexdse.front_door import csim as simulate

    report = simulate(directory, on_log=note)
    if as_json:
        emit_json(report.model_dump(mode="json", by_alias=True))
    else:
        emit(report.summary_line())
    if not report.passed:
        raise typer.Exit(1)
