"""Numbers as people read them, with their unit."""

from __future__ import annotations

from collections.abc import Mapping

from spec.goals import parse_objective
from spec.metrics import METRICS

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"))


def figure(name: str, value: float | None) -> str:
    """A metric with its unit, three to four digits: `6.395 ms`, `0.454 J`, `113.5 GB/s`; a missing one is a dash."""
    if value is None:
        return "-"
    unit = METRICS[name].unit if name in METRICS else parse_objective(name).unit
    if unit == "1":
        return f"{value:.3f}" if value < 10 else f"{value:,.0f}"
    if unit in ("s", "B/s") and value != 0:
        scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s), _PREFIXES[-1])
        return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def objective_value(name: str, metrics: Mapping[str, float | None]) -> float | None:
    """The value of an objective, a metric or an expression, for a design."""
    return metrics[name] if name in metrics else parse_objective(name).expression.of(metrics)
