"""A formula of one number: an expression over the names of other numbers, or a law in words."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
FUNCTIONS = {"max": max, "min": min}


@dataclass(frozen=True, slots=True)
class Formula:
    """Of one number. `expression`: over other names, None where `text` says what the law in `law` computes."""

    expression: str | None
    law: str
    text: str = ""


def evaluated(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Value of an expression of `+ - * /`, max and min over names and numbers; None where a name has none."""

    def of(node: ast.expr) -> float | None:
        if isinstance(node, ast.Constant):
            return float(node.value)  # type: ignore[arg-type]
        if isinstance(node, (ast.Name, ast.Attribute)):
            return values[ast.unparse(node)]
        if isinstance(node, ast.Call):
            arguments = [of(one) for one in node.args]
            known = [one for one in arguments if one is not None]
            return FUNCTIONS[ast.unparse(node.func)](known) if len(known) == len(arguments) else None
        assert isinstance(node, ast.BinOp)
        left, right = of(node.left), of(node.right)
        if left is None or right is None:
            return None
        sign = _SIGNS[type(node.op)]
        if sign == "/":
            return left / right if right else None
        return left + right if sign == "+" else left - right if sign == "-" else left * right

    return of(ast.parse(expression, mode="eval").body)


def names_in(expression: str) -> list[str]:
    """The names of an expression, each once, in order."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.Name, ast.Attribute)):
            found.append(ast.unparse(node))
            return
        inner = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        for child in inner:
            visit(child)

    visit(ast.parse(expression, mode="eval"))
    return list(dict.fromkeys(found))
