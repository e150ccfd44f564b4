"""Tables of model quality: those of the catalog, and a user's own ones from a folder."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from pathlib import Path

from spec.catalog import CATALOG_DIR
from spec.errors import InputError, echo
from spec.quality import MeasuredTable, PublishedTable, SensitivityTable
from spec.strict import Document, load_document, validate

QualityTable = SensitivityTable | PublishedTable  # what a quality can be looked up in
QUALITY_DIR = CATALOG_DIR / "quality"
_KINDS: dict[str, type[SensitivityTable] | type[PublishedTable] | type[MeasuredTable]] = {
    "flexdse/sensitivity-table/v1": SensitivityTable,
    "flexdse/published-quality/v1": PublishedTable,
    "flexdse/measured-quality/v1": MeasuredTable,
}


def load_quality_table(path: Path) -> QualityTable | MeasuredTable:
    """A table from a YAML or JSON file.

    Raises:
        InputError: unreadable, or no table of quality.
    """
    document = load_document(path, "quality table")
    return _table(document)


def _table(document: Document) -> QualityTable | MeasuredTable:
    schema = document.data.get("schema") if isinstance(document.data, dict) else None
    kind = _KINDS.get(schema) if isinstance(schema, str) else None
    if kind is None:
        raise InputError(
            f"not a table of quality: {echo(schema)}",
            field="schema",
            value=schema,
            rule=f"one of {', '.join(_KINDS)}",
            hint="write one with `flexdse quality-table`",
            source=document.source,
        )
    return validate(kind, document)


@cache
def _catalog() -> tuple[QualityTable | MeasuredTable, ...]:
    files = sorted(path for path in QUALITY_DIR.iterdir() if path.suffix in (".yaml", ".json"))
    return tuple(load_quality_table(path) for path in files)


_VARIABLES = ("FLEXDSE_QUALITY_TABLES", "FLEXDSE_HOME", "XDG_DATA_HOME")


def user_tables_folder() -> Path:
    """Where tables that a user has measured are looked for: FLEXDSE_QUALITY_TABLES, else below the data folder."""
    return Path(_folder(*map(os.environ.get, _VARIABLES)))


@lru_cache(maxsize=8)
def _folder(tables: str | None, home: str | None, xdg_data: str | None) -> str:
    data = Path(home) if home else Path(xdg_data or "~/.local/share") / "flexdse"
    return str((Path(tables) if tables else data / "quality-tables").expanduser())


def tables_version() -> tuple[str, int]:
    """Changes when a table is put into the user's folder or taken out of it; what is looked up is kept until then."""
    folder = _folder(*map(os.environ.get, _VARIABLES))
    try:
        return folder, os.stat(folder).st_mtime_ns  # noqa: PTH116 - asked once a batch, and Path takes ten times as long
    except OSError:
        return folder, 0


def quality_tables(model: str) -> tuple[QualityTable, ...]:
    """Tables of the model of that name: the user's, then the catalog's measured and published ones; often none.

    Raises:
        InputError: a file in the user's folder that is no table of quality.
    """
    own = (table for table in _user_tables(tables_version()) if table.model == model)
    return (*own, *_catalog_tables(model))


@lru_cache(maxsize=8)
def _user_tables(version: tuple[str, int]) -> tuple[QualityTable, ...]:
    folder, changed_ns = version
    if not changed_ns:
        return ()
    if not Path(folder).is_dir():
        raise InputError(
            f"{echo(folder)} is no folder",
            field="FLEXDSE_QUALITY_TABLES",
            value=folder,
            rule="a folder of tables of quality",
            hint="name a folder, or none for the one in the data folder",
        )
    files = sorted(p for p in Path(folder).iterdir() if p.suffix in (".yaml", ".json") and not p.name.startswith("."))
    found = (load_quality_table(path) for path in files)
    return tuple(table for table in found if not isinstance(table, MeasuredTable))


@cache
def _catalog_tables(model: str) -> tuple[QualityTable, ...]:
    tables = [t for t in _catalog() if t.model == model and not isinstance(t, MeasuredTable)]
    return tuple(sorted(tables, key=lambda table: isinstance(table, PublishedTable)))


@cache
def measured_schemes(model: str) -> tuple[MeasuredTable, ...]:
    """Schemes of the model of that name that were measured as a whole."""
    return tuple(t for t in _catalog() if t.model == model and isinstance(t, MeasuredTable))
