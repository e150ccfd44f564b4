"""A limit in words for people: amounts with their unit, shares as percentages, names without underscores."""

from __future__ import annotations

from collections.abc import Mapping

# How rules write what people read as a percentage, with the words after it.
_SHARES: Mapping[str, str] = {"fraction": "", "of the largest SLR": " of the largest SLR"}


def limit_amount(value: float, unit: str) -> str:
    """An amount of `unit` as rules name units: `67.1 %`, `12,288 words`, `36.1 W`."""
    scale, word = _scale(unit)
    scaled = scale * value
    whole = abs(scaled) >= 1e4 or float(scaled).is_integer()
    return f"{scaled:,.0f} {word}" if whole else f"{scaled:,.4g} {word}"


def limit_amounts(demand: float, bound: float, unit: str) -> tuple[str, str]:
    """A demand and the bound that it exceeds, with as many digits as it takes to see that."""
    need, allowed = limit_amount(demand, unit), limit_amount(bound, unit)
    if need != allowed:
        return need, allowed
    scale, word = _scale(unit)
    return f"{scale * demand:,.12g} {word}", f"{scale * bound:,.12g} {word}"


def _scale(unit: str) -> tuple[float, str]:
    return (100.0, f"%{_SHARES[unit]}") if unit in _SHARES else (1.0, unit)
