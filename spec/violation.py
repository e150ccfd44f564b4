"""Violation: an infeasible design as a typed result, with what would make it fit."""

from __future__ import annotations

from spec.strict import StrictModel


class Violation(StrictModel):
    """`demand` exceeds `bound` (both in `unit`); each lever names a change that lowers the demand."""

    constraint: str
    where: str
    demand: float
    bound: float
    unit: str
    message: str
    levers: tuple[str, ...]
