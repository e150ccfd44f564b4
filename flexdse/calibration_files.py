"""Files of measurements and of calibrations: read strictly, written whole or not at all."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from spec.calibration import MEASURED_PROVENANCES, CalibrationTable, Measurement, MeasurementFile
from spec.catalog import with_device_digests
from spec.errors import FlexDSEError, InputError, UnknownNameError, echo
from spec.strict import load_document, validate


def read_all_measurements(paths: Sequence[Path], provenances: Sequence[str] = ()) -> tuple[Measurement, ...]:
    """The measurements of files and of folders of projects, those of `provenances` only where some are named. A file that
    names a device of the catalog without its digest means that one.

    Raises:
        InputError: a file that breaks a rule, a project without measurements, or nothing of a provenance.
    """
    found: list[Measurement] = []
    for path in paths:
        if path.is_dir():
            from flexdse.project_measurements import project_measurements

            found += project_measurements(path)
        else:
            found += validate(MeasurementFile, load_document(path, "measurement file")).measurements
    return _of_provenances(with_device_digests(found), provenances, ", ".join(str(path) for path in paths))


def read_measurements(path: Path, provenances: Sequence[str] = ()) -> tuple[Measurement, ...]:
    """The measurements of a JSON or YAML file, those of `provenances` only where some are named.

    Raises:
        InputError: a file that breaks a rule, or that has nothing of a provenance.
    """
    return _of_provenances(
        validate(MeasurementFile, load_document(path, "measurement file")).measurements, provenances, str(path)
    )


def _of_provenances(found: tuple[Measurement, ...], provenances: Sequence[str], source: str) -> tuple[Measurement, ...]:
    for name in provenances:
        if name not in MEASURED_PROVENANCES:
            raise UnknownNameError("provenance", name, MEASURED_PROVENANCES, field="--provenance")
        if all(one.provenance != name for one in found):
            present = sorted({one.provenance for one in found})
            raise InputError(
                f"no measurement of provenance {name}",
                field="--provenance",
                value=name,
                rule=f"one that the file has: {', '.join(present)}",
                hint="name one of them, or leave the option out",
                source=source,
            )
    return tuple(one for one in found if not provenances or one.provenance in provenances)


def read_calibration(path: Path) -> CalibrationTable:
    """A table that `flexdse calibrate` wrote.

    Raises:
        InputError: a file that breaks a rule.
    """
    return validate(CalibrationTable, load_document(path, "calibration file"))


def write_measurements(measurements: Sequence[Measurement], path: Path, *, force: bool = False) -> None:
    """The measurements as JSON, moved into place when it is complete. Raises as `write_calibration`."""
    document = MeasurementFile(schema_name="flexdse/measurements/v1", measurements=tuple(measurements))
    _write(document.model_dump(mode="json", by_alias=True), path, "--save", force=force)


def write_calibration(table: CalibrationTable, path: Path, *, force: bool = False) -> None:
    """`table` as JSON, moved into place when it is complete.

    Raises:
        InputError: a path that exists already, without `force`, or that is a folder.
        FlexDSEError: a folder that cannot be written.
    """
    _write(table.model_dump(mode="json", by_alias=True), path, "--out", force=force)


def _write(document: object, path: Path, option: str, *, force: bool) -> None:
    target = path.expanduser()
    try:
        if target.is_dir() or (target.exists() and not force):
            raise InputError(
                f"{echo(str(path))} {'is a folder' if target.is_dir() else 'exists already'}",
                field=option,
                value=str(path),
                rule="a new file: what exists is left alone",
                hint=f"give another {option}"
                if target.is_dir()
                else f"give another {option}, or --force to replace it",
            )
        scratch = target.parent / f".flexdse-{secrets.token_hex(6)}"
        try:
            scratch.write_text(json.dumps(document, indent=2) + "\n")
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise FlexDSEError(
            f"cannot write {echo(str(path))}: {getattr(error, 'strerror', None) or error}",
            field=option,
            value=str(path),
            rule="its folder must exist and be writable, and the disk have room",
            hint=f"make the folder, free space or give another {option}",
        ) from error
