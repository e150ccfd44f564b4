"""`flexdse quality`: what a quantization scheme costs a model, measured; `quality-table`: what predicts any scheme."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flexdse.commands.quantize import Backend, Cache, Checkpoint, Force, RoundingOption, Scheme, check_writable
from flexdse.console import emit, emit_item, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from quantize.assess import Assessment, Setting, WindowChoice
    from quantize.weight_bank import WeightBank
    from spec.quality import FoldedRotations, MeasuredTable, PrecisionPlan, Protocol, QuantMode, SensitivityTable

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
    no_folding: Annotated[
        bool, typer.Option("--no-folding", help="Without R1 and R2; the scheme's online transforms stay.")
    ] = False,
    calibration_text: CalibrationText = None,
    calibration_windows: CalibrationWindows = 16,
    seed: Seed = 0,
    backend: Backend = "numpy",
    cache: Cache = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSON file that the results go into, beside those it has.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure perplexity, KL divergence and top-1 agreement of schemes against the unquantized model.

    The arithmetic is that of the generated hardware. Each window is kept: an interrupted run goes on where it was.
    """
    from flexdse.quality_files import check_rounding, record_results
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
    if out is not None:
        _check_recordable(out, setting, windows.protocol)
    calibration = setting.calibration(calibration_text, calibration_windows)
    results: list[dict[str, Any]] = []
    evaluator: Evaluator | None = None
    for plan in plans:
        folded: FoldedRotations = "none" if no_rotation or no_folding else "r1_r2"
        bank = setting.bank(plan, how, folded, calibration, seed)
        if evaluator is None or evaluator.bank is not bank:
            evaluator = Evaluator(bank, windows, setting.cache, note)
        found = assess(evaluator, plan)
        if out is not None:
            record_results(out, _one_result(setting, windows.protocol, plan, bank.mode, found))
        results.append(
            {
                "plan": plan.model_dump(mode="json", by_alias=True),
                "weight_rounding": how,
                "folded_rotations": folded,
                "reference": found.reference.model_dump(mode="json"),
                "measured": found.quantized.model_dump(mode="json"),
                "quality": found.quality,
                "quality_standard_error": found.quality_standard_error,
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
    if out is not None:
        note(f"wrote {out}")
    reference = results[0]["reference"]
    rows = [["unquantized", _perplexity(reference), "", "", ""]]
    for result in results:
        one, error = result["measured"], result["quality_standard_error"]
        rows.append([result["plan"]["scheme"]["name"], _perplexity(one),
                     f"{result['quality']:+.1%}" + ("" if error is None else f" ± {error:.1%}"),
                     f"{one['kl_divergence']:.4f}", f"{one['top1_agreement']:.1%}"])  # fmt: skip
    emit(table(rows, ["scheme", "perplexity", "increase", "KL (nats)", "same top-1"]))
    if reference["nll_standard_error"] is None:
        emit_item("one window only: no standard error")
    else:
        emit_item(f"±: standard error over {len(windows.windows)} windows; of the increase, window by window against the "
                  "unquantized model")  # fmt: skip


def _perplexity(measurement: dict[str, Any]) -> str:
    value, error = measurement["perplexity"], measurement["nll_standard_error"]
    return f"{value:.3f}" + ("" if error is None else f" ± {value * error:.3f}")


def _check_recordable(out: Path, setting: Setting, protocol: Protocol) -> None:
    """Refuse a file that `record_results` would refuse, before anything is measured."""
    from flexdse.quality_files import results_in

    model = setting.named.model
    results_in(out, model.config.name, model.source.sha256, protocol)
    check_writable(out.parent)


def _one_result(
    setting: Setting, protocol: Protocol, plan: PrecisionPlan, mode: QuantMode, found: Assessment
) -> MeasuredTable:
    from spec.quality import MeasuredResult, MeasuredTable

    folded = "rotated" if mode.folded_rotations == "r1_r2" else "not rotated"
    online = "" if mode.online_hadamard == "none" else f", online {mode.online_hadamard}"
    mixed = f" + {len(plan.overrides)} overrides" if plan.overrides else ""
    name = f"{plan.scheme.name}{mixed}, {folded}{online}, {mode.weight_rounding}"
    source = setting.named.model.source
    return MeasuredTable(
        model=setting.named.model.config.name,
        checkpoint=source.name,
        checkpoint_sha256=source.sha256,
        protocol=protocol,
        reference=found.reference,
        results=(
            MeasuredResult(
                name=name, scheme=plan.scheme, overrides=plan.overrides, mode=mode, measurement=found.quantized
            ),
        ),
    )


def quality_table(
    model: Checkpoint,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="JSON file of the table; default: your folder of tables (docs/quality.md)."),
    ] = None,
    scheme: Scheme = "w8a8kv8",
    combinations: Annotated[
        int, typer.Option("--combinations", min=0, max=1000, help="Random mixtures measured to fit and to check.")
    ] = 16,
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

    `--scheme` gives the kind of scheme (scales, symmetry, transforms); its widths do not matter. One combination
    of four fits the curvature, the others give the error band. An interrupted run goes on where it was, and keeps what its table has.
    """
    import numpy as np

    from flexdse.quality_files import check_rounding, table_in, user_table_file, write_table
    from quantize.evaluation import Evaluator
    from quantize.sensitivity import FIT_EVERY, measure_combination, measure_table, random_combination, refit
    from quantize.sources import open_text
    from spec.scheme_names import resolve_plan

    if out is not None and not force:
        table_in(out)
    plan = resolve_plan(scheme)
    how = check_rounding(rounding)
    choice = _windows(protocol, window, stride, max_windows)
    named_text = open_text(text, "evaluation", wikitext_rows=wikitext_rows)
    setting = _setting(model, backend, cache)
    windows = choice.cut(setting.named, named_text)
    bank = setting.bank(plan, how, "r1_r2", setting.calibration(calibration_text, calibration_windows), seed)
    evaluator = Evaluator(bank, windows, setting.cache, compare=False)
    target = user_table_file(setting.named.model.config.name, bank.mode) if out is None else out
    check_writable(target.parent)
    held = None if force else table_in(target)
    if held is not None:
        _check_continues(held, target, windows.protocol, bank)
    measured = measure_table(evaluator, progress=note)
    if held is not None:
        measured = refit(measured, held.combinations)
    write_table(target, measured)
    generator = np.random.default_rng(seed)
    for index in range(combinations):
        mixture = random_combination(generator)
        found = measure_combination(evaluator, mixture, used_in_fit=index % FIT_EVERY == 0)
        measured = refit(measured, [found])
        write_table(target, measured)
        note(f"combination {index + 1}/{combinations}: perplexity {np.exp(found.nll):.2f}")
    if as_json:
        emit_json(measured.model_dump(mode="json", by_alias=True))
    else:
        _print_table(measured)
    note(f"wrote {target}" + (": evaluate and explore look this model up in it" if out is None else ""))


def _check_continues(held: SensitivityTable, path: Path, protocol: Protocol, bank: WeightBank) -> None:
    """Refuse a table that this command did not begin: mixtures measured in two ways have no common fit and no band."""
    from spec.errors import InputError

    pairs = {
        "checkpoint": (held.checkpoint_sha256, bank.model.source.sha256),
        "text or protocol": (held.protocol, protocol),
        "kind of scheme": (held.mode, bank.mode),
        # A table of before calibrations were recorded says nothing of its own.
        "calibration": (held.calibration or bank.calibration.text, bank.calibration.text),
        "seed": (held.rotation_seed, bank.seed),
    }
    differing = [what for what, (theirs, ours) in pairs.items() if theirs != ours]
    if differing:
        raise InputError(f"the file holds a table of another {', another '.join(differing)}", field="--out",
                         value=str(path), rule="a new file, or the table that this command began",
                         hint="add --force to replace it, or name another file with --out")  # fmt: skip


def _print_table(measured: SensitivityTable) -> None:
    from spec.quality import MIN_UNSEEN

    emit(f"{measured.model}: perplexity {measured.reference.perplexity:.3f} unquantized, "
         f"{measured.base.perplexity:.3f} with every width at {measured.base_bits}")  # fmt: skip
    rows = [[s.group, s.depth, str(s.bits), f"{s.delta_nll:+.4f}"] for s in measured.sensitivities]
    emit(table(rows, ["group", "depth", "bits", "nll"], ["depth"]))
    unseen = sum(not c.used_in_fit for c in measured.combinations)
    band = "no band" if measured.band_relative is None else f"band {measured.band_relative:.1%}"
    emit_item(f"curvature {measured.curvature:.3f}, {band} from {unseen} unseen combinations")
    if measured.band_relative is None:
        emit_item(f"no band yet: fewer than {MIN_UNSEEN} unseen combinations stayed below twice the unquantized perplexity; "
                  "measure more --combinations before you trust a prediction")  # fmt: skip
