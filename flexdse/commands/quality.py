"""`flexdse quality`: what a quantization scheme costs a model, measured; `quality-table`: what predicts any scheme."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flexdse.commands.quantize import Backend, Cache, Checkpoint, RoundingOption, Scheme
from flexdse.console import emit, emit_item, emit_json, note, table
from flexdse.options import AsJson, Force

if TYPE_CHECKING:
    from quantize.assess import Setting, WindowChoice
    from spec.quality import SensitivityTable

Text = Annotated[
    Path | None, typer.Option("--text", help="UTF-8 text to measure on; default: the packaged Wikipedia sample.")
]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", help="standard: windows of 2048 over the whole text; fast: 4 windows of 512.")
]
Window = Annotated[int | None, typer.Option("--window", min=2, help="Tokens of a window, instead of the protocol's.")]
Stride = Annotated[int | None, typer.Option("--stride", min=1, help="Tokens between window starts; default --window.")]
MaxWindows = Annotated[int | None, typer.Option("--max-windows", min=1, help="So many windows, spread evenly.")]
Rows = Annotated[
    bool, typer.Option("--wikitext-rows", help="Join the lines by a blank line, as published WikiText numbers do.")
]
CalibrationText = Annotated[Path | None, typer.Option("--calibration-text", help="Default: the packaged sample.")]
CalibrationWindows = Annotated[int, typer.Option("--calibration-windows", min=1, max=4096)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random signs of the folded rotations.")]


def _setting(model: str, backend: str, cache: Path | None) -> Setting:
    from flexdse.quality_files import quality_cache
    from quantize.arrays import open_arrays
    from quantize.assess import Setting
    from quantize.sources import open_model

    arrays = open_arrays(backend)
    return Setting(open_model(model), arrays, quality_cache(cache), note)


def _windows(protocol: str, window: int | None, stride: int | None, max_windows: int | None) -> WindowChoice:
    from quantize.assess import WindowChoice
    from spec.errors import InputError

    protocols: dict[str, Literal["standard", "fast"]] = {"standard": "standard", "fast": "fast"}
    if protocol in protocols:
        return WindowChoice(protocols[protocol], window, stride, max_windows)
    raise InputError("unknown protocol", field="--protocol", value=protocol, rule="standard or fast",
                     hint="fast to rank schemes, standard for numbers to publish")  # fmt: skip


def quality(
    model: Checkpoint,
    scheme: Annotated[list[str], typer.Option("--scheme", help="As w4a8kv8, or a YAML or JSON file; may be repeated.")],
    text: Text = None,
    protocol: ProtocolOption = "standard",
    window: Window = None,
    stride: Stride = None,
    max_windows: MaxWindows = None,
    wikitext_rows: Rows = False,
    rounding: RoundingOption = "gptq",
    no_rotation: Annotated[
        bool, typer.Option("--no-rotation", help="Neither R1 and R2 nor online transforms.")
    ] = False,
    calibration_text: CalibrationText = None,
    calibration_windows: CalibrationWindows = 16,
    seed: Seed = 0,
    backend: Backend = "numpy",
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Measure perplexity, KL divergence and top-1 agreement of schemes against the unquantized model.

    The arithmetic is that of the generated hardware. Each window is kept: an interrupted run goes on where it was.
    """
    from flexdse.quality_files import check_rounding
    from quantize.assess import assess
    from quantize.evaluation import Evaluator
    from quantize.sources import open_text
    from spec.documents import envelope
    from spec.scheme_names import resolve_plan

    plans = [resolve_plan(one) for one in scheme]
    if no_rotation:
        plain = {"online_hadamard": "none", "hadamard_block": None}
        plans = [p.model_copy(update={"scheme": p.scheme.model_copy(update=plain)}) for p in plans]
    how = check_rounding(rounding)
    choice = _windows(protocol, window, stride, max_windows)
    named_text = open_text(text, "evaluation", wikitext_rows=wikitext_rows)
    setting = _setting(model, backend, cache)
    windows = choice.cut(setting.named, named_text)
    calibration = setting.calibration(calibration_text, calibration_windows)
    results: list[dict[str, Any]] = []
    for plan in plans:
        bank = setting.bank(plan, how, "none" if no_rotation else "r1_r2", calibration, seed)
        found = assess(Evaluator(bank, windows, setting.cache, note), plan)
        results.append(
            {
                "plan": plan.model_dump(mode="json", by_alias=True),
                "weight_rounding": how,
                "reference": found.reference.model_dump(mode="json"),
                "measured": found.quantized.model_dump(mode="json"),
                "quality": found.quality,
                "source": "measured",
            }
        )
    document = {
        **envelope("quality-report/v1"),
        "model": setting.named.model.config.name,
        "checkpoint": setting.named.model.source.model_dump(mode="json"),
        "protocol": windows.protocol.model_dump(mode="json"),
        "backend": setting.arrays.name,
        "results": results,
    }
    if as_json:
        emit_json(document)
        return
    emit(f"{document['model']} ({setting.named.model.source.name}) on {windows.protocol.text}: "
         f"{windows.protocol.predicted_tokens:,} tokens predicted, windows of {windows.protocol.window_tokens}, "
         f"stride {windows.protocol.stride_tokens}")  # fmt: skip
    reference = results[0]["reference"]
    rows = [["unquantized", f"{reference['perplexity']:.3f}", "", "", ""]]
    for result in results:
        one = result["measured"]
        rows.append([result["plan"]["scheme"]["name"], f"{one['perplexity']:.3f}", f"{result['quality']:+.1%}",
                     f"{one['kl_divergence']:.4f}", f"{one['top1_agreement']:.1%}"])  # fmt: skip
    emit(table(rows, ["scheme", "perplexity", "increase", "KL (nats)", "same top-1"]))


def quality_table(
    model: Checkpoint,
    out: Annotated[Path, typer.Option("--out", help="JSON file of the table.")],
    scheme: Scheme = "w8a8kv8",
    combinations: Annotated[
        int, typer.Option("--combinations", min=0, max=1000, help="Random mixtures measured to fit and to check.")
    ] = 8,
    text: Text = None,
    protocol: ProtocolOption = "fast",
    window: Window = None,
    stride: Stride = None,
    max_windows: MaxWindows = None,
    wikitext_rows: Rows = False,
    rounding: RoundingOption = "gptq",
    calibration_text: CalibrationText = None,
    calibration_windows: CalibrationWindows = 16,
    seed: Seed = 0,
    backend: Backend = "numpy",
    cache: Cache = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Measure each tensor group at each width once; the table then predicts any mixture of widths.

    `--scheme` gives the kind of scheme (scales, symmetry, transforms); its widths do not matter. Half of the combinations
    fit the curvature, the others give the error band. An interrupted run goes on where it was.
    """
    import numpy as np

    from flexdse.quality_files import check_rounding, write_table
    from quantize.evaluation import Evaluator
    from quantize.sensitivity import measure_combination, measure_table, random_combination, refit
    from quantize.sources import open_text
    from spec.errors import InputError
    from spec.scheme_names import resolve_plan

    if out.exists() and not force:
        raise InputError("the file exists", field="--out", value=str(out), rule="a new file",
                         hint="add --force to replace it")  # fmt: skip
    plan = resolve_plan(scheme)
    how = check_rounding(rounding)
    choice = _windows(protocol, window, stride, max_windows)
    named_text = open_text(text, "evaluation", wikitext_rows=wikitext_rows)
    setting = _setting(model, backend, cache)
    windows = choice.cut(setting.named, named_text)
    bank = setting.bank(plan, how, "r1_r2", setting.calibration(calibration_text, calibration_windows), seed)
    evaluator = Evaluator(bank, windows, setting.cache, compare=False)
    measured = measure_table(evaluator, progress=note)
    write_table(out, measured)
    generator = np.random.default_rng(seed)
    for index in range(combinations):
        mixture = random_combination(generator)
        found = measure_combination(evaluator, mixture, used_in_fit=index % 2 == 0)
        measured = refit(measured, [found])
        write_table(out, measured)
        note(f"combination {index + 1}/{combinations}: perplexity {np.exp(found.nll):.2f}")
    if as_json:
        emit_json(measured.model_dump(mode="json", by_alias=True))
    else:
        _print_table(measured)


def _print_table(measured: SensitivityTable) -> None:
    emit(f"{measured.model}: perplexity {measured.reference.perplexity:.3f} unquantized, "
         f"{measured.base.perplexity:.3f} with every width at {measured.base_bits}")  # fmt: skip
    rows = [[s.group, s.depth, str(s.bits), f"{s.delta_nll:+.4f}"] for s in measured.sensitivities]
    emit(table(rows, ["group", "depth", "bits", "nll"], ["depth"]))
    emit_item(f"curvature {measured.curvature:.3f}, band {measured.band_relative:.1%} from "
              f"{sum(not c.used_in_fit for c in measured.combinations)} unseen combinations")  # fmt: skip
