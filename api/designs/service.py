"""Pricing one design, or many."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.catalog_names import find_device, find_model, known
from api.designs import batch
from api.designs.processes import in_processes
from api.designs.schemas import EvaluationRequest
from api.tables import read_arrow
from spec import catalog
from spec.calibration import CalibrationTable
from spec.design_point import DesignPoint
from spec.device import Device
from spec.documents import envelope
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.workload import Workload

if TYPE_CHECKING:
    import pyarrow as pa


def evaluation_json(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    calibration: CalibrationTable | None = None,
    floorplan: bool = False,
) -> bytes:
    """The document of `evaluate --json`. Computation of milliseconds: callers run it in a thread. With a floorplan it
    takes seconds, in a process of its own.

    Raises:
        InputError: the design asks for what this model or card does not have at all.
    """
    part = _Evaluation(design, model, device, workload, calibration, floorplan)
    document = in_processes(_evaluated, [part])[0] if floorplan else _evaluated(part)
    return json.dumps(document, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class _Evaluation:
    design: DesignPoint
    model: ModelConfig
    device: Device
    workload: Workload
    calibration: CalibrationTable | None
    floorplan: bool


def _evaluated(part: _Evaluation) -> dict[str, Any]:
    # Imported at first use: NumPy and the models would double the time until a new server answers.
    from dse.verdict import evaluation_with_floorplan

    return evaluation_with_floorplan(
        part.design, part.model, part.device, part.workload, calibration=part.calibration, floorplan=part.floorplan
    )


@dataclass(frozen=True, slots=True)
class PricedBatch:
    """A row for each design, and what is the same for all."""

    table: pa.Table
    missing: dict[str, str]
    model: str
    device: str

    def head(self) -> dict[str, Any]:
        """The fields of the JSON document beside the columns."""
        return {
            **envelope("evaluation-batch/v1"),
            "provenance": "analytical",
            "model": self.model,
            "device": self.device,
            "missing": self.missing,
        }


def priced(request: EvaluationRequest, calibration: CalibrationTable | None) -> PricedBatch:
    """The designs of a JSON body that has several.

    Raises:
        InputError: a column or value that no design can have.
    """
    inputs = (request.model, request.device, request.workload, request.metrics, calibration)
    if request.designs is not None:
        table, missing = batch.evaluate_designs(request.designs, *inputs)
    else:
        import numpy as np

        assert request.columns is not None
        assert request.design is not None
        columns = {}
        for name, values in request.columns.items():
            column = np.array(values)
            if name in batch.INTEGER_COLUMNS and column.dtype.kind != "i" and len(values):
                raise InputError(
                    f"the column {name} holds other numbers than integers",
                    field=f"columns.{name}",
                    value=next(value for value in values if not isinstance(value, int)),
                    rule="a column of integers",
                    hint="correct the column",
                )
            columns[name] = column
        table, missing = batch.evaluate_columns(request.design, columns, *inputs)
    return PricedBatch(table, missing, request.model.name, request.device.name)


def priced_arrow(
    body: bytes,
    *,
    design: str | None,
    model: str | None,
    device: str | None,
    prompt_tokens: int | None,
    output_tokens: int | None,
    metrics: str | None,
    calibration: CalibrationTable | None,
) -> PricedBatch:
    """The designs of an Arrow stream; everything else is said by name.

    Raises:
        MalformedError: the body is no such stream.
        InputError: something is not said, or a column or value that no design can have.
    """
    if design is None or model is None or device is None or prompt_tokens is None or output_tokens is None:
        said = {
            "design": design,
            "model": model,
            "device": device,
            "prompt_tokens": prompt_tokens,
            "output_tokens": output_tokens,
        }
        absent = next(name for name, value in said.items() if value is None)
        raise InputError(
            f"the query does not say the {absent}",
            field=absent,
            value=None,
            rule="beside an Arrow body: design, model, device, prompt_tokens and output_tokens",
            hint=f"add ?{absent}= to the address; names of uploads are known too",
        )
    base = catalog.load_design(known("designs", "design", design))
    config, card = find_model(model), find_device(device)
    workload = Workload(prompt_tokens=prompt_tokens, output_tokens=output_tokens)
    columns = batch.table_columns(read_arrow(body, batch.MAX_DESIGNS))
    wanted = tuple(metrics.split(",")) if metrics is not None else None
    table, missing = batch.evaluate_columns(base, columns, config, card, workload, wanted, calibration)
    return PricedBatch(table, missing, config.name, card.name)
