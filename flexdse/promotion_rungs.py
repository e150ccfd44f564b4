"""`--backend csim:4,csynth:1`: which rungs of the ladder, and how many designs each may take."""

from __future__ import annotations

from spec.errors import InputError


def parse_rungs(text: str, designs: int) -> dict[str, int]:
    """Rung -> budget; a rung without one takes all `designs`.

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
                hint="for example csim:4,csynth:1",
            )
        rungs[name] = int(budget) if colon else designs
    return rungs
