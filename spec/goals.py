"""What a search strives for: objectives and constraints, each a metric or an expression over metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

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


def _refuse_one_expression_twice(objectives: Sequence[Objective]) -> None:
    """Whatever they are written like, two of one expression are one objective, or one against itself."""
    samples = [{name: 1.0 + 0.37 * i + (k * 0.618_034) % 1 for i, name in enumerate(METRICS)} for k in range(1, 4)]
    seen: dict[tuple[float | None, ...], Objective] = {}
    for objective in objectives:
        values = tuple(objective.expression.of(one) for one in samples)
        if None in values:
            continue
        other = seen.setdefault(values, objective)
        if other is not objective and other.expression.unit == objective.expression.unit:
            against = other.sense != objective.sense
            raise InputError(
                f"{echo(other.name)} and {echo(objective.name)} are "
                + ("one quantity, to be lowered and raised at once" if against else "one objective"),
                field="objectives",
                value=[one.name for one in objectives],
                rule="each quantity once: every design is as good as any other where one stands against itself"
                if against
                else "each quantity once",
                hint="leave one of the two out",
            )


def check_goals(objectives: tuple[str, ...]) -> tuple[str, ...]:
    """`objectives` as they are kept, if they can be searched together: one to five, each once.

    Raises:
        InputError: an unknown, repeated or badly written one.
    """
    parsed = tuple(parse_objective(text) for text in objectives)
    names = tuple(objective.name for objective in parsed)
    plain = tuple(name for name in names if name in METRICS)
    if len(plain) == len(names):
        return check_objectives(names)
    _refuse_one_expression_twice(parsed)
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
    return names
