"""`flexdse quantize`: a checkpoint's integers and scales, ready for a generated design."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from flexdse.console import emit, emit_json, note
from flexdse.options import AsJson

Checkpoint = Annotated[
    str, typer.Option("--model", help="smollm2-135m (comes in a package), a checkpoint folder, or a GGUF file.")
]
Scheme = Annotated[str, typer.Option("--scheme", help="As w4a8kv8, or a scheme or precision plan as YAML or JSON.")]
RoundingOption = Annotated[str, typer.Option("--rounding", help="gptq or rtn.")]
Backend = Annotated[str, typer.Option("--backend", help="numpy; torch or cuda with the extra `quality`.")]
Cache = Annotated[
    Path | None, typer.Option("--cache", help="Folder of intermediate results; default FLEXDSE_HOME/quality.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def check_writable(folder: Path) -> None:
    """Make `folder`, and find out now, not after an hour of measuring, whether files can be written into it.

    Raises:
        OSError: they cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


def quantize(
    model: Checkpoint,
    scheme: Scheme,
    out: Annotated[Path, typer.Option("--out", help="Folder for quantized.safetensors and tokenizer.json.")],
    rounding: RoundingOption = "gptq",
    calibration_text: Annotated[
        Path | None, typer.Option("--calibration-text", help="UTF-8 text; default: the packaged Wikipedia sample.")
    ] = None,
    calibration_windows: Annotated[int, typer.Option("--calibration-windows", min=1, max=4096)] = 16,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random signs of the folded rotations.")] = 0,
    backend: Backend = "numpy",
    cache: Cache = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Rotate (R1, R2, R4), round (GPTQ or nearest) and write a quantized checkpoint."""
    from flexdse.quality_files import check_rounding, quality_cache
    from quantize.arrays import open_arrays
    from quantize.build_checkpoint import build_checkpoint
    from quantize.calibration import calibration_tokens
    from quantize.precision import Precision
    from quantize.sources import open_model, open_text
    from quantize.weight_bank import WeightBank
    from spec.errors import InputError
    from spec.quantized_checkpoint import TOKENIZER_FILE, WEIGHTS_FILE, save_checkpoint
    from spec.scheme_names import resolve_plan

    plan = resolve_plan(scheme)
    target = out / WEIGHTS_FILE
    if target.exists() and not force:
        raise InputError("there is a checkpoint already", field="--out", value=str(out), rule="a new or empty folder",
                         hint="add --force to replace it, or name another folder")  # fmt: skip
    check_writable(out)
    arrays = open_arrays(backend)
    named = open_model(model)
    text = open_text(calibration_text, "calibration")
    bank = WeightBank(
        named.model,
        plan.scheme,
        check_rounding(rounding),
        calibration_tokens(text.name, text.content, named.encode, calibration_windows),
        arrays,
        seed=seed,
        cache=quality_cache(cache),
        progress=note,
    )
    checkpoint = build_checkpoint(bank, Precision(plan.scheme, named.model.config.n_layers, plan.overrides))
    save_checkpoint(target, checkpoint.header, checkpoint.tensors)
    named.tokenizer.save(str(out / TOKENIZER_FILE))
    header = checkpoint.header.model_dump(mode="json", by_alias=True)
    if as_json:
        emit_json(header)
    else:
        emit(f"{target}: {target.stat().st_size / 1e6:,.0f} MB, {plan.scheme.name} by {rounding}, "
             f"content {checkpoint.header.content_sha256[:12]}")  # fmt: skip
