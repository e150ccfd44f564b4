"""Refused values are told in plain words, with what to write instead."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from spec.errors import InputError
from spec.strict import StrictModel, validate


class Sample(StrictModel):
    """One field of each kind of rule."""

    tokens: Annotated[int, Field(ge=1, le=1_048_576)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    step: Annotated[int, Field(multiple_of=8)] = 8
    on: bool = True
    name: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    kind: Literal["exact", "random"] = "exact"
    items: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1, max_length=2)] = (2,)
    some: int | tuple[int, ...] = 1


@pytest.mark.parametrize(
    ("field", "value", "rule", "hint"),
    [
        ("tokens", 0, "must be from 1 to 1,048,576", "write 1 or more"),
        ("tokens", 2**21, "must be from 1 to 1,048,576", "write 1048576 or less"),
        ("tokens", "12", "must be a whole number", "write 12 without quotes"),
        ("tokens", "many", "must be a whole number", "write a whole number without a unit"),
        ("tokens", 2.0, "must be a whole number", "write 2"),
        ("tokens", True, "must be a whole number", "write a whole number"),
        ("share", 0, "must be more than 0 and less than 1", "write more than 0"),
        ("share", 1.5, "must be more than 0 and less than 1", "write less than 1"),
        ("share", "0.5", "must be a number", "write 0.5 without quotes"),
        ("step", 9, "must be a multiple of 8", "round it to one"),
        ("on", "yes", "must be true or false", "write one of them, without quotes"),
        ("name", 7, "must be text", "put it in quotes"),
        ("name", "", "must have at least 1 character", "write something"),
        ("name", "abcd", "must have at most 3 characters", "it has 4: leave some out"),
        ("kind", "exakt", "must be 'exact' or 'random'", "did you mean exact?"),
        ("kind", 7, "must be 'exact' or 'random'", "write one of these"),
        ("items", 3, "must be a list", "write it in square brackets"),
        ("items", [], "must have at least 1 entry", "add one"),
        ("items", [2, 2, 2], "must have at most 2 entries", "it has 3: leave some out"),
        ("items[1]", [2, 1], "must be at least 2", "write 2 or more"),
        ("some", "x", "must be a whole number, or a list", "correct the value"),
    ],
)
def test_a_refused_value_has_a_rule_and_a_way_out(field: str, value: Any, rule: str, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        validate(Sample, {field.partition("[")[0]: value})
    error = refused.value
    assert (error.field, error.rule, error.hint) == (field, rule, hint)
    assert error.message == f"{field}: {rule}"
