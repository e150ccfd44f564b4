"""`--backend csim:4,timed_sim:2`: which rungs of the ladder, and how many designs each may take."""

from __future__ import annotations

from collections.abc import Iterable

from spec.errors import InputError


def parse_rungs(text: str, designs: int) -> dict[str, int]:
    """Rung -> budget; a rung without one takes all `designs`. `auto` is not among the names: see `every_rung`.

    Raises:
        InputError: a budget that is no whole number above 0.
    """
    rungs: dict[str, int] = {}
    for part in text.split(","):
        name, colon, budget = part.strip().partition(":")
        if colon and not (budget.isdecimal() and int(budget) > 0):
            raise InputError(
                f"budget of {name} is no whole number above 0",
                field="--backend",
                value=budget,
                rule="RUNG or RUNG:DESIGNS, separated by commas",
                hint="for example csim:4,timed_sim:2",
            )
        rungs[name] = int(budget) if colon else designs
    return rungs


def every_rung(can_run: Iterable[str], designs: int) -> dict[str, int]:
    """All rungs that can run, in the order of the ladder, each with half the designs of the one below: they get dearer."""
    rungs: dict[str, int] = {}
    for name in can_run:
        rungs[name] = designs
        designs = max(1, designs // 2)
    return rungs
