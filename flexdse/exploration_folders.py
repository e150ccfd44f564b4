"""Explorations that lie in folders, as `explore --out` writes them, and the space files that go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flexdse.exploration_files import front_digest
from spec.catalog import MAX_FRONT_BYTES
from spec.design_point import DesignPoint
from spec.errors import InputError, echo
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult
from spec.space_overrides import SpaceOverrides
from spec.strict import load_document, parse_json, read_text, validate
from spec.versions import MODEL_VERSION


def read_exploration(folder: str | Path) -> ExplorationResult:
    """The exploration in a folder that `explore --out` wrote.

    Raises:
        InputError: no such folder, files that are missing or broken, or one of another model version.
    """
    path = Path(folder).expanduser()
    files = [path / name for name in ("exploration.json", "front.json")]
    if not all(file.is_file() for file in files):
        raise InputError(
            f"no exploration in {echo(str(folder))}",
            field="exploration",
            value=str(folder),
            rule="a folder with exploration.json and front.json",
            hint="give the folder of `flexdse explore --out FOLDER`, or --server and the id of an exploration there",
        )
    document, front = map(_data, files)
    if not isinstance(document, dict) or not isinstance(document.get("record"), dict) or not isinstance(front, list):
        raise InputError(
            f"{echo(str(files[0]))} is no exploration",
            field="exploration",
            value=str(folder),
            rule="files as `explore --out` writes them",
            hint="explore again",
        )
    if document.get("model_version") != MODEL_VERSION:
        raise InputError(
            f"the exploration is of model version {echo(document.get('model_version'))}",
            field="model_version",
            value=document.get("model_version"),
            rule=f"model version {MODEL_VERSION}: figures of two versions are not mixed",
            hint="explore again; --warm-start takes the designs of the old one",
        )
    kept = document.get("front_sha256")
    if kept is not None and kept != front_digest(files[1].read_bytes()):
        raise InputError(
            f"exploration.json and front.json in {echo(str(folder))} are of two explorations",
            field="exploration",
            value=str(folder),
            rule="both as one search wrote them; replacing them was interrupted, or one was edited",
            hint="explore again with --force",
        )
    record = {**document["record"], **{name: document.get(name) for name in ("space_size", "hypervolume")}}
    return validate(ExplorationResult, {"request": document.get("request"), "front": front, "record": record})


def explored_before(folder: Path, request: ExplorationRequest) -> ExplorationResult | None:
    """What `request` gave, where the folder holds just that by the models of now; None where it holds anything else."""
    if not (folder.expanduser() / "exploration.json").is_file():
        return None
    try:
        found = read_exploration(folder)
    except InputError:
        return None
    return found if found.request == request else None


def _data(path: Path) -> Any:
    """A JSON file of ours: fronts have thousands of designs."""
    smaller = "give the folder of `flexdse explore --out FOLDER`"
    return parse_json(read_text(path, "exploration", MAX_FRONT_BYTES, smaller), str(path)).data


def designs_of(folder: Path) -> list[DesignPoint]:
    """The designs of a front.json, of any model version.

    Raises:
        InputError: no front.json, or one that breaks a rule.
    """
    path = folder.expanduser()
    path = path / "front.json" if path.is_dir() else path
    entries = _data(path)
    if not isinstance(entries, list):
        raise InputError(
            f"{echo(str(path))} is no front",
            field="--warm-start",
            value=str(path),
            rule="an array of designs, as `explore --out` writes it",
            hint="give the folder of an exploration",
        )
    return [validate(DesignPoint, entry.get("design") if isinstance(entry, dict) else entry) for entry in entries]


def read_space(path: Path) -> dict[str, Any]:
    """A space file as plain data, checked.

    Raises:
        InputError: with file and line.
    """
    checked = validate(SpaceOverrides, load_document(path, "space file"))
    return checked.model_dump(mode="json", by_alias=True)
