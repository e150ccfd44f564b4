"""The files of an exploration: front.parquet, front.json, exploration.json, report.html."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from flexdse.report_html import report_html
from spec.documents import envelope
from spec.errors import FlexDSEError, InputError, echo
from spec.exploration_result import ExplorationResult
from spec.metrics import METRICS


def front_frame(result: ExplorationResult) -> pd.DataFrame:
    """One row a design: canonical key as index, `prefill.*` and `decode.*` parameters, metrics."""
    rows: list[dict[str, Any]] = []
    for entry in result.front:
        design = entry.design
        row: dict[str, Any] = {f"prefill.{k}": v for k, v in design.prefill.model_dump().items()}
        row |= {f"decode.{k}": v for k, v in design.decode.model_dump().items()}
        row |= {name: entry.metrics[name] for name in METRICS}
        rows.append(row)
    keys = [entry.design.canonical_key() for entry in result.front]
    frame = pd.DataFrame(rows, index=pd.Index(keys, name="design"))
    return frame.astype({name: float for name in METRICS if name in frame})


def exploration_document(result: ExplorationResult) -> dict[str, Any]:
    """exploration.json: inputs, seed, versions, size of the space, proof or budget record, hypervolume."""
    record = result.record.model_dump(mode="json")
    return {
        **envelope("exploration/v1"),
        "request": result.request.model_dump(mode="json", by_alias=True),
        "front_size": len(result.front),
        "space_size": record.pop("space_size"),
        "hypervolume": record.pop("hypervolume"),
        "record": record,
    }


def front_document(result: ExplorationResult) -> list[dict[str, Any]]:
    """front.json: an array of {design, metrics}."""
    return [entry.model_dump(mode="json", by_alias=True) for entry in result.front]


def _write(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    with path.open("rb") as handle:  # a full disk shows here at the latest, before anything is renamed into place
        os.fsync(handle.fileno())


def check_target(directory: Path, *, force: bool) -> None:
    """Refuse a target that would be overwritten.

    Raises:
        InputError: a file, or a folder that is not empty without `force`.
    """
    if directory.exists() and not directory.is_dir():
        raise InputError(
            f"{echo(str(directory))} is a file",
            field="out",
            value=str(directory),
            rule="must be a folder or not exist yet",
            hint="give another --out",
        )
    if directory.is_dir() and any(directory.iterdir()) and not force:
        raise InputError(
            f"folder {echo(str(directory))} is not empty",
            field="out",
            value=str(directory),
            rule="an existing folder is not overwritten",
            hint="give another --out, or --force to replace it",
        )


def save_exploration(result: ExplorationResult, directory: Path, *, force: bool = False) -> Path:
    """Write all files of `result` to `directory`, whole or not at all.

    Raises:
        InputError: the target exists and is not empty.
        FlexDSEError: the disk is full or the folder is not writable.
    """
    directory = directory.expanduser().absolute()
    check_target(directory, force=force)
    scratch: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name[:40]}-", dir=directory.parent))
        frame = front_frame(result)
        _write(scratch / "front.parquet", lambda path: frame.to_parquet(path))
        _write(scratch / "front.json", lambda path: path.write_text(json.dumps(front_document(result), indent=1)))
        document = exploration_document(result)
        _write(scratch / "exploration.json", lambda path: path.write_text(json.dumps(document, indent=1)))
        _write(scratch / "report.html", lambda path: path.write_text(report_html(result)))
        scratch.chmod(0o755)
        if directory.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{directory.name[:40]}-old-", dir=directory.parent))
            directory.rename(old / "old")
            scratch.rename(directory)
            shutil.rmtree(old, ignore_errors=True)
        else:
            scratch.rename(directory)
    except OSError as error:
        raise FlexDSEError(
            f"cannot write {echo(str(directory))}: {error.strerror or error}",
            field="out",
            value=str(directory),
            rule="the folder must be writable and the disk have room",
            hint="free space or give another --out; nothing was left behind",
        ) from error
    finally:
        if scratch is not None and scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
    return directory
