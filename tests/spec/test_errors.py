"""Every refusal says the field, the value, the rule and a way out, and no value can flood or fool a terminal."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, model_validator

import spec.catalog
import spec.catalog_sources
import spec.design_point
import spec.device
import spec.exploration
import spec.memory_map
import spec.model_config
import spec.strict
from spec.errors import FlexDSEError, InputError, InputErrors, UnknownNameError, UnsupportedModelError, echo, printable
from spec.strict import Document, StrictModel, parse_yaml, validate

MODULES = [
    spec.catalog,
    spec.catalog_sources,
    spec.design_point,
    spec.device,
    spec.exploration,
    spec.memory_map,
    spec.model_config,
    spec.strict,
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_refusal_is_complete(module: ModuleType) -> None:
    tree = ast.parse(Path(inspect.getfile(module)).read_text())
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("InputError", "UnsupportedModelError"):
            given_parts = {keyword.arg for keyword in node.keywords}
            assert {"field", "value", "rule", "hint"} <= given_parts, f"{module.__name__}:{node.lineno}"


def test_a_message_reads_as_intended() -> None:
    error = InputError("too many", field="a.b", value=7, rule="at most 5", hint="use 5", source="card.yaml", line=3)
    assert str(error).splitlines() == [
        "card.yaml:3: too many", "  field: a.b", "  value: 7", "  rule: at most 5", "  way out: use 5",
    ]  # fmt: skip
    assert error.to_problem() == {
        "type": "urn:flexdse:problem:bad_input",
        "title": "bad input",
        "status": 422,
        "detail": "too many",
        "errors": [
            {"field": "a.b", "value": "7", "rule": "at most 5", "hint": "use 5", "source": "card.yaml", "line": 3}
        ],
    }


def test_none_is_a_value() -> None:
    assert "value: None" in str(InputError("missing", value=None))
    assert "value" not in str(InputError("missing"))


ERRORS: list[FlexDSEError] = [
    FlexDSEError("failed"),
    InputError("no", field="f", value=None, rule="r", hint="h", source="s.yaml", line=2),
    InputError("no value"),
    UnsupportedModelError("not modelled", field="num_experts", value=8),
    UnknownNameError("device", "u208", ["u280"]),
    InputErrors([InputError("one", value=1), UnknownNameError("model", "x", ["y"])]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_errors_travel_between_processes(error: FlexDSEError, way: Callable[[FlexDSEError], FlexDSEError]) -> None:
    other = way(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert other.to_problem() == error.to_problem()


class Leg(StrictModel):
    """A part whose validators raise errors of ours."""

    length: int
    name: Annotated[str, AfterValidator(lambda name: _known(name))] = "left"

    @model_validator(mode="after")
    def _even(self) -> Leg:
        if self.length % 2:
            raise InputError("odd", field="length", value=self.length, rule="even", hint="add one")
        return self


def _known(name: str) -> str:
    if name not in ("left", "right"):
        raise UnknownNameError("leg", name, ["left", "right"], field="name")
    return name


class Table(StrictModel):
    """Has parts."""

    legs: tuple[Leg, ...]


def test_an_error_of_a_validator_gets_its_place() -> None:
    text = "legs:\n  - length: 2\n  - {length: 3}\n  - length: 4\n    name: rihgt\n"
    with pytest.raises(InputErrors) as caught:
        validate(Table, parse_yaml(text, "table.yaml"))
    odd, unknown = caught.value.errors
    assert (odd.field, odd.source, odd.line) == ("legs[1].length", "table.yaml", 3)
    assert (unknown.field, unknown.line) == ("legs[2].name", 5)
    assert isinstance(unknown, UnknownNameError)  # keeps its class, and so its type of problem


def test_lists_become_tuples_and_nothing_else_is_converted() -> None:
    assert validate(Table, Document({"legs": [{"length": 2}]})) == Table(legs=(Leg(length=2),))
    for length in ("2", 2.0, True):
        with pytest.raises(InputError, match="whole number"):
            validate(Table, {"legs": [{"length": length}]})


def test_no_errors_are_no_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        InputErrors([])


@pytest.mark.parametrize("value", [10**5000, -(10**5000), [10**5000]], ids=["positive", "negative", "inside"])
def test_a_number_too_long_to_print(value: object) -> None:
    assert "too large to show" in echo(value)


def test_a_value_too_deep_to_print() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert "too large to show" in echo(deep)


@given(st.text() | st.binary() | st.text(min_size=1000))
def test_an_echo_is_short_and_printable(value: object) -> None:
    shown = echo(value)
    assert len(shown) <= 160
    assert shown.isprintable()


@given(st.text(), st.integers(4, 200))
def test_printable_text_is_short_and_printable(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= max(6 * limit, 40) + 30
    if text.isprintable() and len(text) <= limit:
        assert shown == text


def test_hostile_field_and_source_are_escaped() -> None:
    text = str(InputError("no", field="a\x1b[2Jb" + "x" * 5000, value=1, source="evil\x1b]0;title\x07.yaml"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text) < 600


def test_unknown_name_with_a_long_name() -> None:
    text = str(UnknownNameError("device", "y" * 10_000, ["u280", "v80"]))
    assert len(text) < 600
    assert "known: u280, v80" in text
