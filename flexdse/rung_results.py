"""What rungs of the ladder said, each in a file under the address of what was run: a run that was made is not made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from dse.promotion import RungResult
from flexdse.exploration_files import write_document
from spec.calibration import Measurement
from spec.errors import InputError
from spec.strict import StrictModel, load_document, validate


class RungDocument(StrictModel):
    """The file of one result. `inputs`: all that it depends on, whose digest is the name of the file."""

    schema_name: Annotated[Literal["flexdse/rung-result/v1"], Field(alias="schema")] = "flexdse/rung-result/v1"
    inputs: dict[str, str]
    passed: bool
    detail: str
    measurements: tuple[Measurement, ...] = ()


class RungResults:
    """A folder of such files. Each is whole or not there, and on the disk when `put` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, inputs: Mapping[str, str]) -> RungResult | None:
        """What was said of the same inputs before; a file that is damaged says nothing."""
        path = self._path(inputs)
        if not path.is_file():
            return None
        try:
            found = validate(RungDocument, load_document(path, "rung result"))
        except InputError:
            return None
        return RungResult(found.passed, found.detail, found.measurements) if found.inputs == dict(inputs) else None

    def put(self, inputs: Mapping[str, str], result: RungResult) -> None:
        """Keep a result.

        Raises:
            FlexDSEError: the folder cannot be written.
        """
        document = RungDocument(
            inputs=dict(inputs), passed=result.passed, detail=result.detail, measurements=result.measurements
        )
        plain: dict[str, Any] = document.model_dump(mode="json", by_alias=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_document(self._path(inputs), plain)

    def _path(self, inputs: Mapping[str, str]) -> Path:
        address = hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()
        return self._folder / f"{inputs['rung']}-{address[:16]}.json"
