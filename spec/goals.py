"""What a search strives for: objectives and constraints, each a metric or an expression over metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from spec.errors import InputError, echo
from spec.expressions import Expression, parse_expression
from spec.metrics import METRICS, Sense, check_objectives

_CONSTRAINT = re.compile(r"^(?P<left>[^<>=]+)(?P<relation><=|>=)(?P<right>[^<>=]+)$")
MAX_CONSTRAINTS = 20


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective. `name` is what the user wrote: a metric, or `min: EXPRESSION` or `max: EXPRESSION`."""

    name: str
    sense: Sense
    expression: Expression

    @property
    def unit(self) -> str:
        """Unit of its value."""
        return self.expression.unit

    @property
    def logarithmic(self) -> bool:
        """Whether it is compared by ratios: it is never negative."""
        return self.expression.sign > 0

    @property
    def sign(self) -> int:
        """+1 where smaller is better, -1 where larger is."""
        return 1 if self.sense == "min" else -1


@dataclass(frozen=True, slots=True)
class Constraint:
    """`expression` at most (`sense` "max") or at least ("min") `bound`, in the unit of the expression."""

    text: str
    expression: Expression
    relation: str
    bound: float

    @property
    def sign(self) -> int:
        """+1 for at most, -1 for at least."""
        return 1 if self.relation == "<=" else -1


@cache
def parse_objective(text: str) -> Objective:
    """An objective as a user writes it.

    Raises:
        InputError: neither a metric nor `min:` or `max:` with an expression.
    """
    sense, colon, rest = text.partition(":")
    if not colon:
        if not re.fullmatch(r"\w*", text.strip()):
            raise InputError(
                f"objective {echo(text)} does not say which way is better",
                field="objectives",
                value=text,
                rule="a metric name, or `min: EXPRESSION` or `max: EXPRESSION`",
                hint=f"write `min: {text.strip()}` or `max: {text.strip()}`",
            )
        name = text.strip()
        check_objectives((name,))
        return Objective(name, METRICS[name].sense, parse_expression(name, "objectives"))
    if sense.strip() not in ("min", "max"):
        raise InputError(
            f"objective {echo(text)} has an unknown sense",
            field="objectives",
            value=sense.strip(),
            rule="`min:` or `max:` before an expression",
            hint="for example `min: ttft_s + 200 * tpot_s`",
        )
    expression = parse_expression(rest, "objectives")
    for name in expression.directions:
        check_objectives((name,))
    return Objective(f"{sense.strip()}: {expression.text}", "min" if sense.strip() == "min" else "max", expression)


@cache
def parse_constraint(text: str) -> Constraint:
    """A constraint as a user writes it: `EXPRESSION <= NUMBER` or `EXPRESSION >= NUMBER`.

    Raises:
        InputError: another form, an unknown metric, or a bound that is not a finite number.
    """
    match = _CONSTRAINT.match(text.strip()) if len(text) <= 600 else None
    if match is None:
        raise InputError(
            f"{echo(text)} is no constraint",
            field="constraints",
            value=text,
            rule="EXPRESSION <= NUMBER or EXPRESSION >= NUMBER",
            hint="for example `tpot_s <= 0.01`",
        )
    try:
        bound = float(match["right"])
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise InputError(
            f"the bound of {echo(text)} is not a finite number",
            field="constraints",
            value=match["right"].strip(),
            rule="a number, in the unit of the expression",
            hint="for example `tpot_s <= 0.01`",
        )
    expression = parse_expression(match["left"], "constraints")
    # The shortest text that gives the same number: a request keeps the constraint as this text.
    shown = f"{bound:g}" if float(f"{bound:g}") == bound else repr(bound)
    return Constraint(f"{expression.text} {match['relation']} {shown}", expression, match["relation"], bound)


def split_objectives(text: str) -> tuple[str, ...]:
    """`"tpot_s,min: max(ttft_s, 100 * tpot_s)"` as its objectives: parted at the commas outside brackets."""
    parts, level = [""], 0
    for character in text:
        level += (character == "(") - (character == ")")
        if character == "," and level <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts)


_SAMPLES = 64
_TOKENS = 777.0  # in and out of a sample; no round number, so that no sum of a user's meets a definition by chance
_LOWEST, _HIGHEST = 1e-2, 1e2


@cache
def _samples() -> dict[str, npt.NDArray[np.float64]]:
    """Values of every metric in designs that do not exist, (n_samples,) each: free of each other but for what a metric is by
    definition (`spec.metrics`).
    """
    random = np.random.default_rng(7)
    found = {name: np.exp(random.uniform(np.log(_LOWEST), np.log(_HIGHEST), _SAMPLES)) for name in METRICS}
    found |= {name: random.uniform(0.0, 1.0, _SAMPLES) for name in ("max_utilization", "quality")}
    found["hbm_fraction"] = found["hbm_bytes_per_s"] / found["hbm_bytes_per_s"].max()
    found["e2e_latency_s"] = found["ttft_s"] + (_TOKENS - 1) * found["tpot_s"]
    found["decode_tokens_per_s"] = 1 / found["tpot_s"]
    found["prefill_tokens_per_s"] = _TOKENS / found["prefill_latency_s"]
    found["energy_j"] = _TOKENS * found["energy_j_per_token"]
    found["power_w"] = found["energy_j"] / found["e2e_latency_s"]
    return found


def _relation(one: Objective, other: Objective) -> int:
    """+1 where two objectives put all designs in one order, best first, -1 where in opposite ones, 0 where neither: judged
    by the order of samples, so that factors, roots, logarithms and reciprocals of one quantity are that quantity.
    """
    values = [objective.expression(_samples()) * objective.sign for objective in (one, other)]
    known = np.isfinite(values[0]) & np.isfinite(values[1])
    first, second = (column[known] for column in values)
    if known.sum() < _SAMPLES // 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0
    order = np.argsort(first, kind="stable")
    steps, others = np.diff(first[order]), np.diff(second[order])
    if ((steps == 0) != (others == 0)).any():
        return 0
    return 1 if (others >= 0).all() else -1 if (others <= 0).all() else 0


def _refuse_one_quantity_twice(objectives: Sequence[Objective]) -> None:
    """Whatever they are written like, two objectives of one quantity are one objective, or one against itself."""
    for number, one in enumerate(objectives):
        for other in objectives[:number]:
            relation = _relation(other, one)
            if relation:
                raise InputError(
                    f"{echo(other.name)} and {echo(one.name)} are "
                    + ("one objective" if relation > 0 else "one quantity, to be lowered and raised at once"),
                    field="objectives",
                    value=[objective.name for objective in objectives],
                    rule="each quantity once"
                    if relation > 0
                    else "each quantity once: every design is as good as any other where one stands against itself",
                    hint="leave one of the two out",
                )


def check_goals(objectives: tuple[str, ...]) -> tuple[str, ...]:
    """`objectives` as they are kept, if they can be searched together: one to five, each once.

    Raises:
        InputError: an unknown, repeated or badly written one.
    """
    parsed = tuple(parse_objective(text) for text in objectives)
    names = tuple(objective.name for objective in parsed)
    if all(name in METRICS for name in names):
        check_objectives(names)
    if len(set(names)) < len(names):
        raise InputError(
            "an objective appears twice",
            field="objectives",
            value=list(names),
            rule="each objective once",
            hint="leave one of the two out",
        )
    if len(names) > 5:
        raise InputError(
            f"{len(names)} objectives",
            field="objectives",
            value=list(names),
            rule="1 to 5 of them",
            hint="leave some out, or make constraints of them",
        )
    _refuse_one_quantity_twice(parsed)
    return names
