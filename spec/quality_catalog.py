"""Tables of model quality: those of the catalog, and a user's own ones from a folder."""

from __future__ import annotations

from functools import cache
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


@cache
def quality_tables(model: str) -> tuple[QualityTable, ...]:
    """The catalog's tables of the model of that name, measured before published; empty where there is none."""
    tables = [t for t in _catalog() if t.model == model and not isinstance(t, MeasuredTable)]
    return tuple(sorted(tables, key=lambda table: isinstance(table, PublishedTable)))


@cache
def measured_schemes(model: str) -> tuple[MeasuredTable, ...]:
    """Schemes of the model of that name that were measured as a whole."""
    return tuple(t for t in _catalog() if t.model == model and isinstance(t, MeasuredTable))
