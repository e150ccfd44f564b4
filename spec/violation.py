"""Violation: an infeasible design as a typed result, with what would make it fit."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spec.strict import StrictModel


class Violation(StrictModel):
    """`demand` exceeds `bound` (both in `unit`). What would make it fit, and what only brings it nearer, are apart."""

    constraint: str
    where: str
    demand: float
    bound: float
    unit: str
    message: str
    levers: Annotated[
        tuple[str, ...],
        Field(description="each alone makes the limit hold: tried by pricing it, or what the rule itself asks for"),
    ]
    partial_levers: Annotated[
        tuple[str, ...],
        Field(description="each lowers the demand, but alone leaves it over the limit or breaks another rule"),
    ] = ()
