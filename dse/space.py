"""The design space: legal values computed from model x card x scheme, never sampled and then repaired.

A stage's space is a product of independent axes; an axis lists legal rows of parameters that constrain each other
(for example token and key parallelism). Every point of the product is legal, so sizes are exact and an index is a
design.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from threading import Lock
from typing import Any

import numpy as np

from dse.axes import MODULE_SET, Axis, StageSpace
from dse.overrides import Overrides
from dse.spread import embedding_bytes, embedding_ports, layout_of
from dse.stage_axes import default_axes
from spec.design_batch import DecodeBatch, IntArray, PrefillBatch, StagePlacements
from spec.design_point import (
    DECODE_PARAMETERS,
    DEFAULT_SYSTEM,
    PREFILL_PARAMETERS,
    DecodeDesign,
    DesignPoint,
    PrefillDesign,
    StageClocks,
    SystemChoices,
)
from spec.device import Device
from spec.errors import InfeasibleError
from spec.legality import model_rules
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.space_overrides import SpaceOverrides
from spec.spread_memory_map import spread_memory_map
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """All legal pairs of prefill and decode designs for a model on a card, of one scheme and one system."""

    model: ModelConfig
    device: Device
    scheme: QuantScheme
    prefill: StageSpace
    decode: StageSpace
    system: SystemChoices = DEFAULT_SYSTEM

    @property
    def size(self) -> int:
        """Number of joint designs."""
        return self.prefill.size * self.decode.size

    def prefill_at(self, index: IntArray) -> PrefillBatch:
        """The prefill designs at flat `index`."""
        columns, placement = self.prefill.columns(index), self.prefill.placement(index)
        return PrefillBatch(**_batch_fields(columns, placement, self.prefill))

    def decode_at(self, index: IntArray) -> DecodeBatch:
        """The decode designs at flat `index`."""
        columns, placement = self.decode.columns(index), self.decode.placement(index)
        return DecodeBatch(**_batch_fields(columns, placement, self.decode))

    def design_point(self, prefill: dict[str, int], decode: dict[str, int]) -> DesignPoint:
        """The design point of one pair, memory map included."""
        prefill_modules, decode_modules = (
            stage.modules[values[MODULE_SET]] for stage, values in ((self.prefill, prefill), (self.decode, decode))
        )
        prefill_design = PrefillDesign.model_validate(
            {**{name: prefill[name] for name in PREFILL_PARAMETERS}, "modules": prefill_modules}
        )
        decode_design = DecodeDesign.model_validate(
            {**{name: decode[name] for name in DECODE_PARAMETERS}, "modules": decode_modules}
        )
        memory_map = spread_memory_map(
            prefill_design,
            decode_design,
            self.device,
            self.scheme,
            decode["weight_port_bits"],
            embedding_bytes(self.model),
        )
        return DesignPoint(
            deployment=self.system.deployment,
            prefill=prefill_design,
            decode=decode_design,
            memory_map=memory_map,
            quant_scheme=self.scheme,
            nonlinear_format=self.system.nonlinear_format,
            clock_target_mhz=StageClocks(prefill=float(prefill["clock_mhz"]), decode=float(decode["clock_mhz"])),
        )

    def find(self, design: DesignPoint) -> tuple[int, int] | None:
        """Flat indices of the two stages of `design`, None where it is not in this space."""
        if design.quant_scheme != self.scheme or design.system != self.system or design.hmt is not None:
            return None
        found = []
        for space, stage, clock in (
            (self.prefill, design.prefill, design.clock_target_mhz.prefill),
            (self.decode, design.decode, design.clock_target_mhz.decode),
        ):
            values: dict[str, Any] = stage.model_dump(exclude={"modules"})
            modules: tuple[Any, ...] = space.modules
            if stage.modules not in modules or clock != int(clock):
                return None
            values |= {MODULE_SET: modules.index(stage.modules), "clock_mhz": int(clock)}
            if space.stage == "decode":
                ports = design.memory_map.of("decode", "weights")
                values["weight_port_bits"] = ports[0].width_bits
            found.append(space.find(values))
        prefill, decode = found
        return None if prefill is None or decode is None else (prefill, decode)


def _batch_fields(columns: dict[str, IntArray], placement: IntArray, space: StageSpace) -> dict[str, Any]:
    """Fields of a PrefillBatch or DecodeBatch."""
    result: dict[str, Any] = {
        name: column for name, column in columns.items() if name not in ("weight_port_bits", MODULE_SET)
    }
    module_set = columns[MODULE_SET]
    one = len(space.modules) == 1 or (len(module_set) > 0 and bool((module_set == module_set[0]).all()))
    result["modules"] = (space.modules[int(module_set[0])],) if one and len(module_set) else space.modules
    result["module_set"] = None if one else module_set
    result["clock_mhz"] = columns["clock_mhz"].astype(np.float64)
    return {**result, "placement": placement, "placements": space.placements}


def _stage_space(
    stage: Stage,
    axes: tuple[Axis, ...],
    module_sets: Any,
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
) -> StageSpace:
    """Lays out one design of each combination of port classes."""
    axes = tuple(_with_port_classes_renumbered(axis) for axis in axes)
    examples = [
        [{name: int(column[row]) for name, column in axis.columns().items()} for row in first]
        for axis in axes
        for first in (np.unique(axis.port_class, return_index=True)[1],)
    ]
    return StageSpace(stage, axes, _laid_out(stage, examples, model, device, scheme), module_sets)


_MAX_REMEMBERED = 6
_lock = Lock()
_remembered: OrderedDict[tuple[object, ...], StagePlacements] = OrderedDict()  # the one that was used last comes last


def _laid_out(
    stage: Stage, examples: list[list[dict[str, int]]], model: ModelConfig, device: Device, scheme: QuantScheme
) -> StagePlacements:
    """The layouts of every combination of the examples. They take seconds, most of what a space does; of the last spaces of
    this process they are remembered.
    """
    columns = tuple(tuple(tuple(example.items()) for example in part) for part in examples)
    about = (stage, columns, device.model_dump_json(), scheme.model_dump_json(), embedding_ports(model, device))
    with _lock:
        known = _remembered.pop(about, None)
    if known is None:
        layouts = [
            layout_of(stage, {name: value for part in parts for name, value in part.items()}, model, device, scheme)
            for parts in product(*examples)
        ]
        known = StagePlacements.of(layouts, stage, device)
    with _lock:
        _remembered[about] = known
        while len(_remembered) > _MAX_REMEMBERED:
            _remembered.popitem(last=False)
    return known


def _with_port_classes_renumbered(axis: Axis) -> Axis:
    """A part of an axis may lack some of the classes of the whole."""
    classes, port_class = np.unique(axis.port_class, return_inverse=True)
    return replace(axis, port_class=port_class.astype(np.int64), n_port_classes=len(classes))


def design_space(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme = W4A4KV8,
    overrides: SpaceOverrides | None = None,
    system: SystemChoices = DEFAULT_SYSTEM,
    modules: tuple[Sequence[PrefillModules], Sequence[DecodeModules]] | None = None,
) -> DesignSpace:
    """The default space of `model` on `device`, changed by `overrides`; with these sets of `modules`, if given.

    Raises:
        InfeasibleError: the model breaks a rule that no design can mend, or a parameter has no legal value.
        InputError: an override of an unknown knob, an illegal value, or rules that leave no design.
    """
    spaces = {
        stage: _stage_space(stage, axes, sets, model, device, scheme)
        for stage, (axes, sets) in _stage_axes(model, device, scheme, overrides, modules).items()
    }
    return DesignSpace(model, device, scheme, spaces["prefill"], spaces["decode"], system)


def legal_stage_designs(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme = W4A4KV8,
    overrides: SpaceOverrides | None = None,
) -> dict[Stage, int]:
    """How many legal designs `design_space` has of each stage, without laying out their memory: a tenth of the time.

    Raises:
        InfeasibleError: as `design_space`.
        InputError: as `design_space`.
    """
    return {
        stage: math.prod(len(axis) for axis in axes)
        for stage, (axes, _) in _stage_axes(model, device, scheme, overrides, None).items()
    }


def _stage_axes(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
    overrides: SpaceOverrides | None,
    modules: tuple[Sequence[PrefillModules], Sequence[DecodeModules]] | None,
) -> dict[Stage, tuple[tuple[Axis, ...], Any]]:
    """The axes of both stages after the overrides, each with its module sets."""
    for rule in model_rules(1, model, scheme):
        if rule.broken[0]:
            raise InfeasibleError(
                rule.message,
                field=rule.where,
                value=float(rule.demand[0]),
                rule=f"at most {rule.bound[0]:g} {rule.unit}",
                hint=" or ".join(rule.levers),
            )
    wanted = Overrides(overrides or SpaceOverrides())
    prefill_sets: tuple[PrefillModules, ...] = tuple(modules[0]) if modules else wanted.prefill_modules()
    decode_sets: tuple[DecodeModules, ...] = tuple(modules[1]) if modules else wanted.decode_modules()
    found: dict[Stage, tuple[tuple[Axis, ...], Any]] = {
        "prefill": (default_axes("prefill", model, device, scheme, wanted, len(prefill_sets)), prefill_sets),
        "decode": (default_axes("decode", model, device, scheme, wanted, len(decode_sets)), decode_sets),
    }
    wanted.check_knobs({stage: axes for stage, (axes, _) in found.items()})
    return {stage: (wanted.applied(stage, axes), sets) for stage, (axes, sets) in found.items()}
