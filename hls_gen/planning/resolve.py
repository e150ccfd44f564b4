"""Puts ports with more known about them in the place of the ports of a stage's plan."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from hls_gen.planning.types import DecodePlan, PortPlan, PrefillPlan

Plan = TypeVar("Plan", PrefillPlan, DecodePlan)


def _replaced(value: Any, by_name: dict[str, PortPlan]) -> Any:
    if isinstance(value, PortPlan):
        return by_name[value.name]
    if isinstance(value, tuple):
        return tuple(_replaced(item, by_name) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return dataclasses.replace(value, **{name: _replaced(getattr(value, name), by_name) for name in names})
    return value


def resolved(plan: Plan, ports: tuple[PortPlan, ...]) -> Plan:
    """The plan with each of its ports, wherever it stands, replaced by the one of that name."""
    by_name = {port.name: port for port in ports}
    return _replaced(plan, by_name)  # type: ignore[no-any-return]
