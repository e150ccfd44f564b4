"""SpaceOverrides: what a user changes about the default design space, in a YAML file or a request.

A knob is `prefill.<parameter>` or `decode.<parameter>` of a design, `clock_mhz` and decode's `weight_port_bits`
among them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from spec.design_point import Deployment
from spec.errors import InputError, echo
from spec.scheme_names import scheme_named
from spec.strict import StrictModel

Value = Annotated[int, Field(ge=0, le=1_000_000)]
Values = Annotated[tuple[Value, ...], Field(min_length=1, max_length=4096)]
_KNOB = re.compile(r"(prefill|decode)\.[a-z][a-z0-9_]*")


class ValueRange(StrictModel):
    """Values from `min` to `max`, both included; an end that is left out is open."""

    min: Value | None = None
    max: Value | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ValueRange:
        if self.min is None and self.max is None:
            raise InputError(
                "a range without ends", field="min", value=None, rule="min, max or both", hint="name one of them"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise InputError(
                "a range that holds nothing",
                field="min",
                value=self.min,
                rule=f"min <= max = {self.max}",
                hint="exchange the two",
            )
        return self


class SpaceOverrides(StrictModel):
    """`fix`: a knob has one value. `restrict`: only these values, or those in a range. `extend`: more values than the
    default space tries, each of them legal. `forbid`: combinations that no design may have. `modules`: variants to
    choose from, by `stage.choice`. `deployments` and `quant_schemes`: each is searched, jointly with the hardware.
    """

    schema_name: Annotated[Literal["flexdse/space/v1"], Field(alias="schema")] = "flexdse/space/v1"
    fix: dict[str, Value] = {}
    restrict: dict[str, Values | ValueRange] = {}
    extend: dict[str, Values] = {}
    forbid: Annotated[tuple[dict[str, Value | Values], ...], Field(max_length=200)] = ()

    modules: dict[str, Annotated[tuple[str | int, ...], Field(min_length=1, max_length=64)]] = {}
    deployments: Annotated[tuple[Deployment, ...], Field(min_length=1, max_length=3)] = ("two_bitstreams",)
    quant_schemes: Annotated[tuple[str, ...], Field(min_length=1, max_length=32)] = ("w4a4kv8",)

    @model_validator(mode="after")
    def _each_once(self) -> SpaceOverrides:
        for field in ("deployments", "quant_schemes"):
            values = [value.lower() for value in getattr(self, field)]  # schemes are named in either case
            if len(set(values)) < len(values):
                raise InputError(
                    f"{field} names one twice",
                    field=field,
                    value=list(values),
                    rule="each at most once",
                    hint="leave one of the two out",
                )
        for name in self.quant_schemes:
            scheme_named(name)
        return self

    @model_validator(mode="after")
    def _knobs(self) -> SpaceOverrides:
        for section in ("fix", "restrict", "extend"):
            for knob in getattr(self, section):
                _check_knob(knob, f"{section}.{knob}")
        for number, rule in enumerate(self.forbid):
            for knob in rule:
                _check_knob(knob, f"forbid[{number}].{knob}")
            if len({knob.partition(".")[0] for knob in rule}) != 1:
                raise InputError(
                    "a forbidden combination of both stages" if rule else "a forbidden combination of nothing",
                    field=f"forbid[{number}]",
                    value=sorted(rule),
                    rule="the knobs of one rule belong to one stage: the stages are built apart",
                    hint="write a rule for each stage, or make a constraint on a metric of it",
                )
        return self


def _check_knob(knob: str, field: str) -> None:
    if not _KNOB.fullmatch(knob):
        raise InputError(
            f"{echo(knob)} is no knob",
            field=field,
            value=knob,
            rule="prefill.<parameter> or decode.<parameter>",
            hint="for example prefill.token_parallelism",
        )
