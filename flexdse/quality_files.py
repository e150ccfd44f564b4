"""Where measurements of quality are kept, and the words of their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from spec.errors import InputError

if TYPE_CHECKING:
    from spec.quality import Rounding, SensitivityTable

DEFAULT_HOME = Path("~/.local/share/flexdse")  # as of `flexdse serve`


def quality_cache(given: Path | None) -> Path:
    """The folder of rounded weights and measured windows; nothing in it is needed once a command has ended."""
    if given is not None:
        return given
    home = os.environ.get("FLEXDSE_HOME")
    return (Path(home) if home else DEFAULT_HOME.expanduser()) / "quality"


def check_rounding(name: str) -> Rounding:
    """`name` if it is a way to round weights.

    Raises:
        InputError: it is not.
    """
    from spec.quality import Rounding

    for known in get_args(Rounding):
        if name == known:
            rounding: Rounding = known
            return rounding
    raise InputError(
        f"unknown rounding {name!r}",
        field="--rounding",
        value=name,
        rule=f"one of {', '.join(get_args(Rounding))}",
        hint="take gptq: at 4 bits rounding to nearest ruins small models",
    )


def write_table(path: Path, table: SensitivityTable) -> None:
    """The table as JSON; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(table.model_dump_json(by_alias=True, indent=1) + "\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
