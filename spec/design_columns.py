"""A design as one flat row: the columns of a front and of evaluations in Arrow and Parquet, the same for all who write.

A name is the path in the document of the design (`prefill.token_parallelism`), so a column says where its value goes.
"""

from __future__ import annotations

import json
from typing import Any

PORT_BITS_COLUMN = "decode.weight_port_bits"

_STAGES = ("prefill", "decode")


def design_columns(document: dict[str, Any]) -> dict[str, int | float | str | None]:
    """The flat row of a design document (`DesignPoint` as JSON data).

    It has the numbers of both stages, their clock targets, the chosen modules, the scheme and the deployment, and the
    width of the ports that decode reads weights through; where the ports lie is in the document only.
    """
    row: dict[str, int | float | str | None] = {}
    for stage in _STAGES:
        for name, value in document[stage].items():
            if isinstance(value, dict):
                row.update({f"{stage}.{name}.{choice}": column_value(chosen) for choice, chosen in value.items()})
            else:
                row[f"{stage}.{name}"] = column_value(value)
    row[PORT_BITS_COLUMN] = next(
        (
            port["width_bits"]
            for port in document["memory_map"]["ports"]
            if port["stage"] == "decode" and "weights" in port["roles"]
        ),
        None,
    )
    for stage in _STAGES:
        row[f"clock_target_mhz.{stage}"] = float(document["clock_target_mhz"][stage])
    row["quant_scheme.name"] = document["quant_scheme"]["name"]
    row["deployment"] = document["deployment"]
    row["nonlinear_format"] = document["nonlinear_format"]
    return row


def column_value(value: Any) -> int | float | str | None:
    """A value of a document as it stands in a column: lists as JSON."""
    return value if value is None or isinstance(value, (int, float, str)) else json.dumps(value)
