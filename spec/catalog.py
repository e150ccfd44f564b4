"""The catalog of devices, models and published designs, and loading of users' own files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from spec.calibration import Measurement
from spec.catalog_sources import split_sources
from spec.design_point import DesignPoint
from spec.device import Device
from spec.documents import VERSION_KEYS
from spec.errors import InputError, UnknownNameError, echo
from spec.json_arrays import array_element
from spec.model_config import ModelConfig, from_hugging_face
from spec.reference_system import ReferenceSystem
from spec.strict import Document, StrictModel, load_document, read_text, validate

CATALOG_DIR = Path(__file__).parent / "catalog"
MAX_FRONT_BYTES = 512 * 2**20  # a search shows at most 20,000 designs, each of some 8 kB, with 64 ports of some 15 kB
_ONE_ENTRY = "name one entry of a front by its number from 0, as in front.json#0"
Kind = Literal["devices", "models", "designs", "references"]

ModelT = TypeVar("ModelT", bound=BaseModel)


class PublishedDesign(StrictModel):
    """A catalog design: the point and what is published of it, measurements apart from projections."""

    name: str
    title: str
    device: str
    model: str
    origin: str
    measured: dict[str, float] = {}
    projected: dict[str, float] = {}
    design: DesignPoint
    sources: dict[str, str] = {}


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """Names in the catalog, sorted."""
    return tuple(sorted(path.stem for path in (CATALOG_DIR / kind).glob("*.yaml")))


def _sourced(document: Document, model: type[ModelT]) -> ModelT:
    data, sources = split_sources(document)
    if isinstance(data, dict):
        given = data.get("sources", {})
        data = {**data, "sources": {**sources, **given} if isinstance(given, dict) else given}
    return validate(model, Document(data, document.source, document.lines))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long for the file system, a null character
        return False


def _looks_like_file(name: str) -> bool:
    """By its ending or start, or because it exists: `meta-llama/Llama-3.2-1B` alone is no file."""
    if name.lower().endswith((".yaml", ".yml", ".json")) or name.startswith(("/", "./", "../")):
        return True
    try:
        return bool(name) and Path(name).exists()  # Path("") is the current folder
    except (OSError, ValueError):
        return False


def _from_catalog(kind: Kind, what: str, name: str, model: type[ModelT], hint: str) -> ModelT:
    if name not in names(kind):
        raise UnknownNameError(what, name, names(kind), hint=hint)
    return _sourced(load_document(CATALOG_DIR / kind / f"{name}.yaml", what), model)


@cache
def load_device(name: str) -> Device:
    """A device by catalog name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    return _from_catalog("devices", "device", name, Device, "Or give the path of a device YAML.")


def with_device_digests(measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """The same; who names a device of the catalog and no digest means the catalog's device."""
    known = names("devices")

    def told(one: Measurement) -> Measurement:
        if one.device_digest is not None or one.device not in known:
            return one
        return one.model_copy(update={"device_digest": load_device(one.device).content_digest()})

    return tuple(map(told, measurements))


@cache
def load_model(name: str) -> ModelConfig:
    """A model by catalog name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    return _from_catalog("models", "model", name, ModelConfig, "Or give the path of a Hugging Face config.json.")


@cache
def load_published_design(name: str) -> PublishedDesign:
    """A published design by catalog name, with its measurements.

    Raises:
        UnknownNameError: with the nearest names.
    """
    return _from_catalog("designs", "design", name, PublishedDesign, "Or give the path of a design YAML or JSON.")


@cache
def load_reference(name: str) -> ReferenceSystem:
    """A reference system by catalog name.

    Raises:
        UnknownNameError: with the nearest names.
    """
    return _from_catalog("references", "reference", name, ReferenceSystem, "They are in the catalog only.")


def load_design(name: str) -> DesignPoint:
    """A published design point by catalog name."""
    return load_published_design(name).design


def _safe_stem(path: Path) -> str:
    parent = path.parent.name if path.stem == "config" else path.stem
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in parent.lower()).strip("-._")
    return stem[:64] or "custom-model"


def _plain(document: Document, schema: str = "") -> Document:
    """A user's file may be what `show --json` printed: the versions that printed it, and its `schema`, are no content."""
    if isinstance(document.data, dict):
        data = {key: value for key, value in document.data.items() if key not in VERSION_KEYS}
        if schema and data.get("schema") == schema:
            del data["schema"]
        document.data = data
    return document


def resolve_device(name: str) -> Device:
    """A device by catalog name or from a YAML or JSON file."""
    if name not in names("devices") and _looks_like_file(name):
        return _sourced(_plain(load_document(Path(name), "device file")), Device)
    return load_device(name)


def resolve_model(name: str) -> ModelConfig:
    """A model by catalog name, from a `config.json` of a Hugging Face checkpoint, or from our own model YAML."""
    if name not in names("models") and _looks_like_file(name):
        path = Path(name)
        if _is_folder(path):
            path = path / "config.json"
        document = load_document(path, "model file")
        if isinstance(document.data, dict) and document.data.get("schema") == "flexdse/model/v1":
            return _sourced(_plain(document), ModelConfig)
        return from_hugging_face(document, _safe_stem(path))
    return load_model(name)


def _entry(path: Path, number: str) -> Document:
    """One entry of a front, by its number from 0; of a JSON file however many it has."""
    place = int(number[:18])
    document: Document | None
    if path.suffix.lower() == ".json":
        text = read_text(path, "front", MAX_FRONT_BYTES, "a front that `explore` writes is smaller: name that file")
        document, entries = array_element(text, place, str(path))
    else:
        whole = load_document(path, "front", "give the front as JSON, as `explore --out` writes it")
        document, entries = None, len(whole.data) if isinstance(whole.data, list) else None
        if entries is not None and place < entries:
            inner = {path[1:]: line for path, line in whole.lines.items() if path[:1] == (place,)}
            document = Document(whole.data[place], whole.source, inner)
    if document is not None:
        return document
    if entries is None:
        raise InputError(
            f"the file holds no list of designs, so it has no entry {echo(number)}",
            field="design",
            value=number,
            rule="FILE#N names entry N of a front",
            hint="leave the # and the number out",
            source=str(path),
        )
    raise InputError(
        f"the front has no entry {echo(number)}",
        field="design",
        value=number,
        rule=f"0 to {entries - 1}: the numbers that `flexdse front` shows" if entries else "a front with designs",
        hint="take another number",
        source=str(path),
    )


def resolve_design(name: str) -> DesignPoint:
    """A design by catalog name or from a file: a design document, one `{design, metrics}` entry of a front, or an entry of
    a whole front by its number from 0: `front.json#3`.
    """
    if name in names("designs"):
        return load_design(name)
    path, _, number = name.rpartition("#")
    if path and number.isdecimal() and number.isascii() and _looks_like_file(path):
        document = _entry(Path(path), number)
    elif _looks_like_file(name):
        file = load_document(Path(name), "design file", _ONE_ENTRY)
        document = _plain(file, schema="flexdse/published-design/v1")
    else:
        return load_design(name)
    data = document.data
    if isinstance(data, list):
        raise InputError(
            "the file holds a list of designs",
            field="design",
            value=f"{len(data)} entries",
            rule="one design",
            hint=f"{_ONE_ENTRY}, or save it: jq '.[0].design' front.json",
            source=document.source,
        )
    if isinstance(data, dict) and {"design", "title"} <= set(data):  # a copy of a catalog file
        return _sourced(document, PublishedDesign).design
    if isinstance(data, dict) and "design" in data:
        inner = {path[1:]: line for path, line in document.lines.items() if path[:1] == ("design",)}
        document = Document(data["design"], document.source, inner)
    if not isinstance(document.data, dict):
        raise InputError(
            f"not a design: {echo(document.data)}",
            field="design",
            value=document.data,
            rule="a mapping",
            hint="start from a catalog design, as `flexdse designs show` prints it",
            source=document.source,
        )
    plain, _ = split_sources(document)
    return validate(DesignPoint, Document(plain, document.source, document.lines))
