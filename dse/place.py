"""A design in its space: its own values and module variants beside those of the default space, one knob changed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from cost_models.evaluate import Context
from dse.arms import Arm
from dse.axes import MODULE_SET, StageSpace
from dse.overrides import Overrides
from dse.space import design_space
from spec.design_columns import column_value
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.space_overrides import SpaceOverrides
from spec.workload import STAGES, Stage, Workload

Value = int | str
MAX_MODULE_SETS = 16  # of a stage: each multiplies its designs


@dataclass(frozen=True, slots=True)
class Place:
    """A design in its space: the row of each axis of both stages, as flat indices."""

    arm: Arm
    prefill: int
    decode: int

    def at(self, stage: Stage) -> tuple[StageSpace, int]:
        """A stage of the space, and the flat index of the design's half."""
        space = self.arm.space
        return (space.prefill, self.prefill) if stage == "prefill" else (space.decode, self.decode)

    def columns(self) -> dict[str, Value]:
        """Its knobs, `stage.parameter` -> value, and where there is a choice `stage.modules.name` -> variant."""
        result: dict[str, Value] = {}
        for stage in STAGES:
            part, index = self.at(stage)
            values = {name: int(column[0]) for name, column in part.columns(np.array([index])).items()}
            chosen = part.modules[values.pop(MODULE_SET)]
            result |= {f"{stage}.{name}": value for name, value in values.items()}
            for name in sorted({name for modules in part.modules for name in differing(modules, chosen)}):
                result[f"{stage}.modules.{name}"] = _shown(chosen, name)
        return result

    def design(self) -> DesignPoint:
        """The design itself, memory map included."""
        space = self.arm.space
        prefill, decode = (
            {name: int(column[0]) for name, column in part.columns(np.array([index])).items()}
            for part, index in (self.at("prefill"), self.at("decode"))
        )
        return space.design_point(prefill, decode)


class Move(NamedTuple):
    """One knob changed, the others equal; `prefill`, `decode`: flat indices of the changed design."""

    knob: str
    before: Value
    after: Value
    prefill: int
    decode: int


def place_of(design: DesignPoint, model: ModelConfig, device: Device, workload: Workload) -> Place:
    """The design in the space of its scheme and system, its own values, clock targets and module variants added.

    Raises:
        InputError: it is not in the space, as one with a memory map or a clock of its own.
    """
    own: dict[str, tuple[int, ...]] = {}
    for stage in STAGES:
        numbers = getattr(design, stage).model_dump(exclude={"modules"})
        clock = getattr(design.clock_target_mhz, stage)
        own |= {f"{stage}.{name}": (value,) for name, value in numbers.items()}
        own |= {f"{stage}.clock_mhz": (int(clock),)} if clock == int(clock) else {}
    default = Overrides(SpaceOverrides())
    modules = (
        _module_sets(design.prefill.modules, default.prefill_modules()),
        _module_sets(design.decode.modules, default.decode_modules()),
    )
    overrides = SpaceOverrides(extend=own)
    space = design_space(model, device, design.quant_scheme, overrides, design.system, modules)
    found = space.find(design)
    if found is None:
        raise InputError(
            "the design is not in the search space",
            field="design",
            value=design.canonical_key(),
            rule="ports as the search lays them out, clock targets in whole MHz, no HMT plug-in",
            hint="explain a design of a front; `compare` takes any design",
        )
    context = Context(model, device, workload, design.quant_scheme, caps_at="prediction", system=design.system)
    return Place(Arm(space, context), *found)


def moves(place: Place) -> list[Move]:
    """Every legal change of one knob."""
    result = []
    for stage in STAGES:
        space, index = place.at(stage)
        rows = [int(row[0]) for row in space.rows(np.array([index]))]

        def moved(i: int, row: int, stage: Stage = stage, rows: list[int] = rows) -> tuple[int, int]:
            part = place.at(stage)[0]
            other = int(part.flat([np.array([r]) for r in (*rows[:i], row, *rows[i + 1 :])])[0])
            return (other, place.decode) if stage == "prefill" else (place.prefill, other)

        for i, axis in enumerate(space.axes):
            here = axis.rows[rows[i]]
            for column, parameter in enumerate(axis.parameters):
                others = np.delete(np.arange(axis.rows.shape[1]), column)
                same = (axis.rows[:, others] == here[others]).all(axis=1)
                for row in np.flatnonzero(same).tolist():
                    before, after = int(here[column]), int(axis.rows[row, column])
                    if parameter != MODULE_SET and after != before:
                        result.append(Move(f"{stage}.{parameter}", before, after, *moved(i, row)))
                    elif parameter == MODULE_SET:
                        mine, other = space.modules[before], space.modules[after]
                        names = differing(mine, other)
                        if len(names) == 1:
                            knob = f"{stage}.modules.{names[0]}"
                            result.append(Move(knob, _shown(mine, names[0]), _shown(other, names[0]), *moved(i, row)))
    return result


def differing(one: PrefillModules | DecodeModules, other: PrefillModules | DecodeModules) -> list[str]:
    """The choices in which two sets of modules of a stage differ."""
    return [name for name in type(one).model_fields if getattr(one, name) != getattr(other, name)]


def _shown(modules: PrefillModules | DecodeModules, name: str) -> Value:
    value = column_value(modules.model_dump(mode="json")[name])
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _module_sets(own: Any, default: Sequence[Any]) -> tuple[Any, ...]:
    """A design's modules and every mixture of them with those of the default space; past MAX_MODULE_SETS those with one of
    its choices changed, and the default ones.
    """
    names = list(dict.fromkeys(name for one in default for name in differing(own, one)))
    values = {name: list(dict.fromkeys(getattr(one, name) for one in (own, *default))) for name in names}
    mixed = [dict(zip(names, chosen, strict=True)) for chosen in product(*values.values())]
    if len(mixed) > MAX_MODULE_SETS:
        single = [{name: value} for name in names for value in values[name]]
        mixed = [{}, *single, *({name: getattr(one, name) for name in names} for one in default)]
    return tuple(dict.fromkeys(own.model_copy(update=changed) for changed in mixed))
