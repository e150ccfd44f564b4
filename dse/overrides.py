"""A user's changes to the default space, applied to its axes: each named value is legal, each rule leaves a design."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dse.axes import MODULE_SET, Axis, joined
from spec.design_batch import BoolArray, IntArray
from spec.errors import InputError, UnknownNameError
from spec.module_choices import DecodeModules, PrefillModules
from spec.space_overrides import SpaceOverrides, ValueRange
from spec.variants import ANY, searchable_values
from spec.workload import Stage

MAX_JOINED_ROWS = 4_000_000  # of an axis that a forbidden combination makes of several
_SHOWN_VALUES = 24


@dataclass(frozen=True, slots=True)
class _Filter:
    """One rule of the user over an axis: which rows it keeps, and how it is named."""

    label: str
    keep: BoolArray


# Variants that the default space chooses between, of those that are complete (law, template, timing): they trade something
# at the same widths. Others cost a factor of the space each, and are searched when a user names them. Skipping later keys
# takes no more of anything: an unmasked prefill is on no front.
DEFAULT_CHOICES: dict[str, tuple[str | int, ...]] = {
    "prefill.attention_mask": ("causal_skip",),
    "decode.kv_read": ("per_query_head", "per_kv_head"),
    "decode.dequantizer": ("pipelined",),  # our library's
    "prefill.process_granularity": ("array",),  # our library's
    "decode.process_granularity": ("array",),
}


class Overrides:
    """`SpaceOverrides` at work."""

    def __init__(self, wanted: SpaceOverrides) -> None:
        self._wanted = wanted

    def candidates(self, stage: Stage, parameter: str, default: Iterable[int]) -> list[int]:
        """Values to try for a parameter, in increasing order: the default ones and those that the user names."""
        knob = f"{stage}.{parameter}"
        values = set(default)
        values.update(self._wanted.extend.get(knob, ()))
        if knob in self._wanted.fix:
            values.add(self._wanted.fix[knob])
        listed = self._wanted.restrict.get(knob)
        if isinstance(listed, tuple):
            values.update(listed)
        return sorted(value for value in values if value > 0)

    def prefill_modules(self) -> tuple[PrefillModules, ...]:
        """Module sets of prefill: every combination of the choices."""
        return tuple(PrefillModules.model_validate(chosen) for chosen in self._combinations("prefill"))

    def decode_modules(self) -> tuple[DecodeModules, ...]:
        """Module sets of decode: every combination of the choices."""
        return tuple(DecodeModules.model_validate(chosen) for chosen in self._combinations("decode"))

    def _combinations(self, stage: Stage) -> list[dict[str, object]]:
        choices = DEFAULT_CHOICES | self._wanted.modules
        known = {
            f"{one}.{name}"
            for one, kind in (("prefill", PrefillModules), ("decode", DecodeModules))
            for name in kind.model_fields
        }
        for name, values in self._wanted.modules.items():
            if name not in known:
                raise UnknownNameError("choice of modules", name, known, field=f"modules.{name}")
            of_stage, _, choice = name.partition(".")
            complete = searchable_values("prefill" if of_stage == "prefill" else "decode", choice)
            for value in values:
                if value not in complete and ANY not in complete:
                    raise InputError(
                        f"{name} = {value} cannot be searched",
                        field=f"modules.{name}",
                        value=value,
                        rule=f"a variant with a cost law, a template and a timing entry: {', '.join(map(str, complete))}",
                        hint="take one of these; `flexdse evaluate` prices any design",
                    )
        mine = {name.partition(".")[2]: values for name, values in choices.items() if name.startswith(f"{stage}.")}
        return [dict(zip(mine, values, strict=True)) for values in product(*mine.values())]

    def check_knobs(self, stages: Mapping[Stage, Sequence[Axis]]) -> None:
        """Refuse knobs that no axis has, and values that no legal design has.

        Raises:
            UnknownNameError: a knob that is not in the space, with the nearest names.
            InputError: a value that no legal design has.
        """
        columns = {
            f"{stage}.{parameter}": column
            for stage, axes in stages.items()
            for axis in axes
            for parameter, column in axis.columns().items()
            if parameter != MODULE_SET
        }
        wanted = self._wanted
        named: list[tuple[str, str, Sequence[int]]] = []
        named += [(f"fix.{knob}", knob, (value,)) for knob, value in wanted.fix.items()]
        named += [(f"extend.{knob}", knob, values) for knob, values in wanted.extend.items()]
        for knob, choice in wanted.restrict.items():
            named.append((f"restrict.{knob}", knob, () if isinstance(choice, ValueRange) else choice))
        for number, rule in enumerate(wanted.forbid):
            named += [(f"forbid[{number}].{knob}", knob, _listed(values)) for knob, values in rule.items()]
        for field, knob, values in named:
            if knob not in columns:
                raise UnknownNameError("knob", knob, columns, field=field)
            legal = np.unique(columns[knob])
            for value in values:
                if value not in legal:
                    raise InputError(
                        f"{knob} = {value} is in no legal design of this model on this card",
                        field=field,
                        value=value,
                        rule=f"a legal value; the space has {_shown(legal)}",
                        hint="name legal values only: none is rounded to the next",
                    )

    def applied(self, stage: Stage, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """The axes of one stage with the rows that the rules leave.

        Raises:
            InputError: no row is left; names the rules that contradict each other.
        """
        axes = self._joined(stage, list(axes))
        result = []
        for axis in axes:
            filters = list(self._filters(stage, axis))
            keep = np.logical_and.reduce([rule.keep for rule in filters], initial=True)
            keep = np.broadcast_to(keep, len(axis))
            if not keep.any():
                raise _contradiction(axis, filters)
            result.append(axis if keep.all() else axis.take(keep))
        return tuple(result)

    def _joined(self, stage: Stage, axes: list[Axis]) -> list[Axis]:
        """Axes that one forbidden combination speaks of become one, where it stood first."""
        for number, rule in enumerate(self._wanted.forbid):
            parameters = {knob.partition(".")[2] for knob in rule if knob.startswith(f"{stage}.")}
            touched = [axis for axis in axes if parameters & set(axis.parameters)]
            if len(touched) < 2:
                continue
            rows = 1
            whole = touched[0]
            for axis in touched[1:]:
                rows = len(whole) * len(axis)
                if rows > MAX_JOINED_ROWS:
                    raise InputError(
                        "a forbidden combination couples too many designs",
                        field=f"forbid[{number}]",
                        value=rows,
                        rule=f"at most {MAX_JOINED_ROWS:,} combinations of the knobs that it names and those tied to them",
                        hint="restrict these knobs first, or name fewer of them",
                    )
                whole = joined(whole, axis)
            place = axes.index(touched[0])
            axes = [axis for axis in axes if axis not in touched[1:]]
            axes[place] = whole
        return axes

    def _filters(self, stage: Stage, axis: Axis) -> Iterable[_Filter]:
        columns = {f"{stage}.{parameter}": column for parameter, column in axis.columns().items()}
        for knob, value in self._wanted.fix.items():
            if knob in columns:
                yield _Filter(f"fix {knob} = {value}", columns[knob] == value)
        for knob, values in self._wanted.restrict.items():
            if knob not in columns:
                continue
            column = columns[knob]
            if isinstance(values, ValueRange):
                low, high = values.min, values.max
                keep = np.ones(len(axis), dtype=bool)
                if low is not None:
                    keep &= column >= low
                if high is not None:
                    keep &= column <= high
                ends = f"{'' if low is None else low}..{'' if high is None else high}"
                yield _Filter(f"restrict {knob} to {ends}", keep)
            else:
                yield _Filter(f"restrict {knob} to {', '.join(map(str, values))}", np.isin(column, values))
        for number, rule in enumerate(self._wanted.forbid):
            if all(knob in columns for knob in rule):
                hit = np.ones(len(axis), dtype=bool)
                for knob, forbidden in rule.items():
                    hit &= np.isin(columns[knob], _listed(forbidden))
                yield _Filter(f"forbid[{number}]", ~hit)


def _listed(values: int | Sequence[int]) -> Sequence[int]:
    return (values,) if isinstance(values, int) else values


def _shown(values: IntArray) -> str:
    texts = [str(value) for value in values.tolist()]
    if len(texts) > _SHOWN_VALUES:
        texts = [*texts[: _SHOWN_VALUES - 1], "...", texts[-1]]
    return ", ".join(texts)


def _contradiction(axis: Axis, filters: list[_Filter]) -> InputError:
    """The fewest rules that leave nothing, found by leaving each out in turn."""
    needed = list(filters)
    for rule in filters:
        rest = [other for other in needed if other is not rule]
        if not np.logical_and.reduce([other.keep for other in rest], initial=True).any():
            needed = rest
    labels = [rule.label for rule in needed]
    if len(labels) == 1:
        labels.append(f"the legal values of {' and '.join(axis.parameters)}")
    rules = " and ".join(labels)
    return InputError(
        f"the space is empty: {rules} contradict each other",
        field="space",
        value=rules,
        rule="the rules together leave at least one legal design",
        hint="change or drop one of them",
    )
