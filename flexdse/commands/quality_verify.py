"""`flexdse quality-verify`: the schemes that a search has chosen, measured, and the table refitted with what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.commands.quality import CalibrationText, Rows, Text
from flexdse.commands.quantize import Backend, Cache, Checkpoint
from flexdse.console import emit, emit_item, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.quality import PrecisionPlan


def quality_verify(
    model: Checkpoint,
    scheme: Annotated[
        list[str] | None, typer.Option("--scheme", help="As w4a8kv8, or a YAML or JSON file; may be repeated.")
    ] = None,
    front: Annotated[
        Path | None, typer.Option("--front", help="Folder of `explore --out`: every scheme of its front.")
    ] = None,
    text: Text = None,
    wikitext_rows: Rows = False,
    calibration_text: CalibrationText = None,
    backend: Backend = "numpy",
    cache: Cache = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Put the refitted table into your folder of tables, or only look.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Measure schemes by the protocol of the model's sensitivity table, and compare with what it predicts.

    What was measured goes into the table: `evaluate` and `explore` then show these schemes as measured. An interrupted run
    goes on where it was.
    """
    from flexdse.quality_verification import verify_schemes
    from spec.documents import envelope
    from spec.scheme_names import resolve_plan

    plans = [resolve_plan(one) for one in scheme or ()]
    if front is not None:
        plans += _schemes_of(front, plans)
    _check_some(plans)
    found = verify_schemes(
        model,
        plans,
        cache=cache,
        backend=backend,
        text=text,
        wikitext_rows=wikitext_rows,
        calibration_text=calibration_text,
        keep=keep,
        progress=note,
    )
    if as_json:
        results = [
            {
                "plan": one.plan.model_dump(mode="json", by_alias=True),
                "measured": one.measured,
                "standard_error": one.standard_error,
                "predicted": None if one.is_part_of_table else one.predicted.value,
                "low": None if one.is_part_of_table else one.predicted.low,
                "high": None if one.is_part_of_table else one.predicted.high,
                "missing": one.verdict if one.is_part_of_table else one.predicted.missing,
                "inside_band": one.inside_band,
            }
            for one in found
        ]
        kept = any(one.is_kept for one in found)
        emit_json({**envelope("quality-verification/v1"), "model": model, "kept": kept, "results": results})
        return
    rows = []
    for one in found:
        low, value, high = one.predicted.low, one.predicted.value, one.predicted.high
        band = "" if low is None or high is None else f"{low:+.1%} to {high:+.1%}"
        inside = {None: "", True: "inside", False: "outside"}[one.inside_band]
        error = "" if one.standard_error is None else f"{one.standard_error:.1%}"
        if one.is_part_of_table:
            value, band = None, ""
        rows.append([
            one.plan.scheme.name, f"{one.measured:+.1%}", error, "" if value is None else f"{value:+.1%}", band, inside
        ])  # fmt: skip
    columns = ["scheme", "measured", "standard error", "predicted", "band", "measured is"]
    emit(table(rows, columns, ["measured is"]))
    for one in found:
        if one.inside_band is None:
            emit_item(f"{one.plan.scheme.name}: {one.verdict}")


def _schemes_of(folder: Path, known: list[PrecisionPlan]) -> list[PrecisionPlan]:
    """The distinct schemes of a front that are not among the `known` ones."""
    from flexdse.exploration_folders import designs_of
    from spec.quality import PrecisionPlan

    wanted = {design.quant_scheme.model_dump_json(): design.quant_scheme for design in designs_of(folder)}
    taken = {plan.scheme.model_dump_json() for plan in known if not plan.overrides}
    return [PrecisionPlan(scheme=scheme) for key, scheme in wanted.items() if key not in taken]


def _check_some(plans: list[PrecisionPlan]) -> None:
    from spec.errors import InputError

    if not plans:
        raise InputError(
            "no scheme to measure",
            field="--scheme",
            value="",
            rule="at least one scheme, or a front that has designs",
            hint="give --scheme w4a8kv8, or --front with the folder of `flexdse explore --out`",
        )
