"""Expressions over metrics, as users write them: parsed by a grammar of our own on Python's syntax tree, never executed.

`+ - * /`, `**` by a number, `min`, `max`, `sqrt`, `log`, numbers and metric names. Units are checked (seconds and
joules do not add; `log` is of the number in the unit of the registry and has no unit), and for each metric it is known whether the value rises or falls with it, which the exact search
needs to drop designs safely.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from spec.errors import InputError, echo
from spec.metrics import METRICS, metric

MAX_CHARACTERS = 500
MAX_NODES = 200

Dimension = tuple[tuple[str, float], ...]  # base unit -> exponent, sorted, without zeros
Direction = int  # +1: rises with the metric, -1: falls, 0: neither holds everywhere
Column = npt.NDArray[np.floating[Any]]

_SIGNED = frozenset({"quality"})  # every other metric is >= 0
_FUNCTIONS = ("min", "max", "sqrt", "log")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `directions`: how it moves with each metric in it. `sign`: +1 where it is never negative, -1
    where never positive, 0 where neither is known.
    """

    text: str
    unit: str
    directions: Mapping[str, Direction]
    sign: int
    compute: Callable[[Mapping[str, Any]], Any]

    def __call__(self, metrics: Mapping[str, Any]) -> Column:
        """Its value for columns of metrics, (n_points,); NaN where a metric is missing or the value is not finite."""
        with np.errstate(all="ignore"):
            value = np.asarray(self.compute(metrics), dtype=np.float64)
        return np.where(np.isfinite(value), value, np.nan)

    def of(self, metrics: Mapping[str, float | None]) -> float | None:
        """Its value for the metrics of one design; None where one of them is missing."""
        if any(metrics.get(name) is None for name in self.directions):
            return None
        value = float(self({name: np.array(metrics[name], dtype=np.float64) for name in self.directions}))
        return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class _Part:
    dimension: Dimension | None  # None: a plain number, of any unit when it is a factor and of none when it is a term
    directions: dict[str, Direction]
    sign: int
    compute: Callable[[Mapping[str, Any]], Any]
    constant: float | None = None


def parse_expression(text: str, field: str = "expression") -> Expression:
    """`text` as an expression.

    Raises:
        InputError: not an expression of the grammar, or units that do not go together.
        UnknownNameError: a name that is no metric.
    """
    if len(text) > MAX_CHARACTERS:
        raise _refused(text, f"at most {MAX_CHARACTERS} characters", field)
    return _parsed(text.strip(), field)


@cache
def _parsed(text: str, field: str) -> Expression:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(text, "metric names, numbers, + - * / **, min, max, sqrt, log and brackets", field) from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise _refused(text, f"at most {MAX_NODES} operands and operators", field)
    part = _part(tree.body, text, field)
    if not part.directions:
        raise _refused(text, "names at least one metric", field)
    return Expression(text, _unit_text(part.dimension or ()), part.directions, part.sign, part.compute)


def _refused(text: str, rule: str, field: str, problem: str = "is no expression over metrics") -> InputError:
    return InputError(
        f"{echo(text)} {problem}",
        field=field,
        value=text,
        rule=rule,
        hint="for example `ttft_s + 200 * tpot_s` or `energy_j_per_token * e2e_latency_s`",
    )


def _part(node: ast.expr, text: str, field: str) -> _Part:
    if isinstance(node, ast.Constant):
        return _number(node.value, text, field)
    if isinstance(node, ast.Name):
        return _metric(node.id, field)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _part(node.operand, text, field)
        return _negated(inner) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _part(node.left, text, field), _part(node.right, text, field)
        if isinstance(node.op, ast.Add):
            return _sum(left, right, text, field)
        if isinstance(node.op, ast.Sub):
            return _sum(left, _negated(right), text, field)
        if isinstance(node.op, ast.Mult):
            return _product(left, right)
        if isinstance(node.op, ast.Div):
            return _product(left, _power(right, -1.0))
        if isinstance(node.op, ast.Pow) and right.constant is not None and abs(right.constant) <= 10:
            return _power(left, right.constant)
        raise _refused(text, "operators + - * / and ** by a number of at most 10", field)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [_part(argument, text, field) for argument in node.args], text, field)
    raise _refused(text, "metric names, numbers, + - * / **, min, max, sqrt, log and brackets", field)


def _number(value: object, text: str, field: str) -> _Part:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(text, "numbers are finite decimals", field)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _refused(text, "numbers are finite decimals", field)
    return _Part(None, {}, 1 if number >= 0 else -1, lambda _: number, constant=number)


def _metric(name: str, field: str) -> _Part:
    metric(name, field=field)
    return _Part(_dimension(METRICS[name].unit), {name: 1}, 0 if name in _SIGNED else 1, lambda m: m[name])


def _negated(a: _Part) -> _Part:
    constant = None if a.constant is None else -a.constant
    return _Part(a.dimension, {n: -d for n, d in a.directions.items()}, -a.sign, lambda m: -a.compute(m), constant)


def _merged(a: Mapping[str, Direction], b: Mapping[str, Direction]) -> dict[str, Direction]:
    return {name: d if b.get(name, d) == d else 0 for name, d in a.items()} | {n: d for n, d in b.items() if n not in a}


def _same_dimension(parts: list[_Part], text: str, field: str) -> Dimension | None:
    """The unit of terms that are added or compared."""
    units = {part.dimension if part.dimension is not None else () for part in parts}
    if len(units) > 1:
        shown = " and ".join(sorted(_unit_text(unit) for unit in units))
        raise _refused(text, "what is added or compared has one unit", field, f"adds or compares {shown}")
    return parts[0].dimension if all(part.dimension is None for part in parts) else units.pop()


def _sum(a: _Part, b: _Part, text: str, field: str) -> _Part:
    dimension = _same_dimension([a, b], text, field)
    sign = a.sign if a.sign == b.sign else 0
    constant = a.constant + b.constant if a.constant is not None and b.constant is not None else None
    return _Part(dimension, _merged(a.directions, b.directions), sign, lambda m: a.compute(m) + b.compute(m), constant)


def _product(a: _Part, b: _Part) -> _Part:
    def scaled(part: _Part, other: _Part) -> dict[str, Direction]:
        return {name: d * other.sign for name, d in part.directions.items()}

    exponents = dict(a.dimension or ())
    for unit, exponent in b.dimension or ():
        exponents[unit] = exponents.get(unit, 0.0) + exponent
    neither = a.dimension is None and b.dimension is None
    constant = a.constant * b.constant if a.constant is not None and b.constant is not None else None
    return _Part(
        None if neither else _sorted(exponents),
        _merged(scaled(a, b), scaled(b, a)),
        a.sign * b.sign,
        lambda m: a.compute(m) * b.compute(m),
        constant,
    )


def _power(a: _Part, exponent: float) -> _Part:
    dimension = None if a.dimension is None else _sorted({unit: e * exponent for unit, e in a.dimension})
    if exponent == 1.0:
        return a
    # A reciprocal falls on either side of 0; other powers are monotone above 0 only.
    monotone = a.sign > 0 or (exponent == -1.0 and a.sign < 0)
    turned = 1 if exponent > 0 else -1
    directions = {name: d * turned if monotone else 0 for name, d in a.directions.items()}
    sign = a.sign if monotone else 0
    constant = None
    if a.constant is not None:
        with np.errstate(all="ignore"):
            value = float(np.power(np.float64(a.constant), exponent))
        constant = value if math.isfinite(value) else None
    return _Part(
        dimension, directions, sign, lambda m: np.power(np.asarray(a.compute(m), dtype=np.float64), exponent), constant
    )


def _call(name: str, arguments: list[_Part], text: str, field: str) -> _Part:
    if name in ("min", "max") and len(arguments) >= 2:
        dimension = _same_dimension(arguments, text, field)
        directions: dict[str, Direction] = {}
        for part in arguments:
            directions = _merged(directions, part.directions)
        signs = {part.sign for part in arguments}
        pick = np.minimum if name == "min" else np.maximum

        def chosen(metrics: Mapping[str, Any]) -> Any:
            value = arguments[0].compute(metrics)
            for part in arguments[1:]:
                value = pick(value, part.compute(metrics))
            return value

        return _Part(dimension, directions, signs.pop() if len(signs) == 1 else 0, chosen)
    if name == "sqrt" and len(arguments) == 1:
        return _power(arguments[0], 0.5)
    if name == "log" and len(arguments) == 1:
        inner = arguments[0]
        directions = dict(inner.directions) if inner.sign > 0 else dict.fromkeys(inner.directions, 0)
        return _Part((), directions, 0, lambda m: np.log(inner.compute(m)))
    raise _refused(text, f"functions are {', '.join(_FUNCTIONS)}; min and max take two or more arguments", field)


def _dimension(unit: str) -> Dimension:
    exponents: dict[str, float] = {}
    for place, part in enumerate(unit.split("/")):
        sign = 1.0 if place == 0 else -1.0
        for base, power in (("J", 1.0), ("s", -1.0)) if part == "W" else ((part, 1.0),):
            if base != "1":
                exponents[base] = exponents.get(base, 0.0) + sign * power
    return _sorted(exponents)


def _sorted(exponents: Mapping[str, float]) -> Dimension:
    return tuple(sorted((unit, power) for unit, power in exponents.items() if power))


def _unit_text(dimension: Dimension) -> str:
    if not dimension:
        return "1"
    above = [unit if power == 1 else f"{unit}^{power:g}" for unit, power in dimension if power > 0]
    below = [unit if power == -1 else f"{unit}^{-power:g}" for unit, power in dimension if power < 0]
    return "/".join(["*".join(above) or "1", *below])
