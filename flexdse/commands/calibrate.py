"""`flexdse calibrate`: fit correction factors of the models on measured values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.calibration import CalibrationTable

# For `flexdse evaluate`.
Calibration = Annotated[
    Path | None, typer.Option("--calibration", help="Table that `flexdse calibrate` wrote: factors and bands of it.")
]


def calibrate(
    files: Annotated[
        list[Path],
        typer.Argument(help="Measurements, JSON or YAML (`flexdse schema measurements`), or folders of projects."),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="File of the calibration, for --calibration.")] = None,
    provenance: Annotated[
        list[str] | None,
        typer.Option(
            "--provenance", help="Only these: timed_sim, open_synthesis, csynth, cosim, post_route, board; repeatable."
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="File for the measurements themselves, each with its lineage.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit correction factors of the models on measured values, with the error before and after on left-out designs.

    One factor for each provenance, stage, module and metric; a device, a model version and a timing table each has its
    own calibration.
    """
    from cost_models.calibrate import fit
    from flexdse.calibration_files import read_all_measurements, write_calibration, write_measurements
    from spec.versions import MODEL_VERSION

    measured = read_all_measurements(files, provenance or ())
    if save is not None:
        write_measurements(measured, save, force=force)
        note(f"wrote {save}")
    fitted = fit(measured)
    if out is not None:
        write_calibration(fitted, out, force=force)
        note(f"wrote {out}")
    if fitted.model_version != MODEL_VERSION:
        note(f"fitted on model version {fitted.model_version}: evaluate refuses it, the models are {MODEL_VERSION}")
    for warning in fitted.warnings():
        note(warning)
    if as_json:
        emit_json(fitted.model_dump(mode="json", by_alias=True))
    else:
        _print(fitted)


def _print(fitted: CalibrationTable) -> None:
    digest = "by name only" if fitted.device_digest is None else fitted.device_digest
    emit(f"{fitted.device} ({digest}), model version {fitted.model_version}, timing table {fitted.timing_table_version}, "
         f"calibration {fitted.key()}")  # fmt: skip
    emit()
    rows = []
    for entry in fitted.entries:
        left_out = entry.leave_one_out
        rows.append([
            entry.label,
            entry.provenance,
            str(entry.designs),
            f"{entry.factor:.4f}",
            f"{left_out.mean_relative_error_before:.1%}" if left_out else "-",
            f"{left_out.mean_relative_error_after:.1%}" if left_out else "-",
            _band(entry.uncalibrated_low, entry.uncalibrated_high),
            _band(entry.relative_low, entry.relative_high),
        ])  # fmt: skip
    header = ["what", "provenance", "designs", "factor", "error before", "left out", "band before", "band"]
    emit(table(rows, header, ["provenance"]))
    emit()
    emit("error before: mean |model / measured - 1|; left out: the same, each design by a fit on the others")
    emit(f"band: {fitted.confidence:.0%} interval of value / truth - 1 of a further design")
    worse = [
        e.label
        for e in fitted.entries
        if e.leave_one_out and e.leave_one_out.mean_relative_error_after > e.leave_one_out.mean_relative_error_before
    ]
    if worse:
        emit(f"NO GAIN on left-out designs: {', '.join(worse)}")
    single = [e.label for e in fitted.entries if e.leave_one_out is None]
    if single:
        emit(f"one design only, nothing to leave out, band not narrower than before: {', '.join(single)}")


def _band(low: float, high: float) -> str:
    return f"{low:+.1%} .. {high:+.1%}"
