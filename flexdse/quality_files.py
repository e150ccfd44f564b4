"""Where measurements of quality are kept, and the words of their options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from spec.errors import InputError

if TYPE_CHECKING:
    from spec.quality import MeasuredTable, PrecisionPlan, Protocol, QuantMode, Rounding, SensitivityTable


def quality_cache(given: Path | None) -> Path:
    """The folder of rounded weights and measured windows; nothing in it is needed once a command has ended."""
    if given is not None:
        return given
    from flexdse.commands.service import data_folder

    return data_folder(os.environ.get("FLEXDSE_HOME")) / "quality"


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


def table_for(model: str, plan: PrecisionPlan) -> SensitivityTable:
    """The sensitivity table of the model of that name in whose mode the plan's scheme is.

    Raises:
        InputError: there is none.
    """
    from cost_models.quality import in_mode
    from spec.quality import SensitivityTable
    from spec.quality_catalog import quality_tables

    tables = [table for table in quality_tables(model) if isinstance(table, SensitivityTable)]
    for table in tables:
        if in_mode(plan.scheme, table.mode):
            return table
    what = "of another kind of scheme only" if tables else "at all"
    raise InputError(
        f"no sensitivities of {model} {what}",
        field="scheme",
        value=plan.scheme.name,
        rule="a sensitivity table of the model with the same scales, symmetry and transforms",
        hint="measure one: flexdse quality-table --model DIR --scheme FILE",
    )


def user_table_file(model: str, mode: QuantMode) -> Path:
    """The file of a table in the user's folder: the one that holds this model and mode, else a new one.

    Raises:
        InputError: a file in the folder that is no table of quality.
    """
    from spec.quality import SensitivityTable
    from spec.quality_catalog import load_quality_table, user_tables_folder

    folder = user_tables_folder()
    taken = set()
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        held = load_quality_table(path)
        if isinstance(held, SensitivityTable) and (held.model, held.mode) == (model, mode):
            return path
        taken.add(path.name)
    names = (f"{model}{'' if i == 1 else f'-{i}'}.json" for i in range(1, len(taken) + 2))
    return folder / next(name for name in names if name not in taken)


def table_in(path: Path) -> SensitivityTable | None:
    """The sensitivity table in a file, None where there is no file.

    Raises:
        InputError: the file is something else.
    """
    from spec.quality import SensitivityTable
    from spec.quality_catalog import load_quality_table

    if not path.exists():
        return None
    held = load_quality_table(path)
    if isinstance(held, SensitivityTable):
        return held
    raise InputError(
        "the file exists and is no sensitivity table",
        field="--out",
        value=str(path),
        rule="a new file, or the table that this command began",
        hint="add --force to replace it, or name another file with --out",
    )


def results_in(path: Path, model: str, checkpoint_sha256: str, protocol: Protocol) -> MeasuredTable | None:
    """The results that the file holds already, None where there is no file.

    Raises:
        InputError: the file is another kind of document, or of another model, checkpoint or protocol.
    """
    from spec.quality import MeasuredTable
    from spec.quality_catalog import load_quality_table

    if not path.exists():
        return None
    held = load_quality_table(path)
    # Not the reference: rotations that change nothing change its last digits.
    ours = (model, checkpoint_sha256, protocol)
    if isinstance(held, MeasuredTable) and (held.model, held.checkpoint_sha256, held.protocol) == ours:
        return held
    raise InputError(
        "the file holds other measurements",
        field="--out",
        value=str(path),
        rule="measurements of the same checkpoint on the same tokens",
        hint="name another file",
    )


def record_results(path: Path, table: MeasuredTable) -> None:
    """`table` as a file, or its results added to those of a file by the same protocol; one of the same name is replaced.

    Raises:
        InputError: the file is another kind of document, or of another model, text or protocol.
    """
    held = results_in(path, table.model, table.checkpoint_sha256, table.protocol)
    if held is not None:
        new = {result.name for result in table.results}
        kept = tuple(result for result in held.results if result.name not in new)
        # What was measured before standard errors were kept has none; a reference measured again has one.
        reference = table.reference if held.reference.nll_standard_error is None else held.reference
        table = table.model_copy(update={"reference": reference, "results": (*kept, *table.results)})
    write_table(path, table)


def write_table(path: Path, table: SensitivityTable | MeasuredTable) -> None:
    """The table as JSON; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(table.model_dump_json(by_alias=True, indent=1) + "\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
