"""Designs as struct of arrays: what the vectorised cost models take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spec.axi_bursts import port_bram18
from spec.design_point import DECODE_PARAMETERS, DEFAULT_SYSTEM, PREFILL_PARAMETERS, DesignPoint, SystemChoices
from spec.device import Device, MemoryKind, MemorySystem
from spec.errors import InputError
from spec.hmt import HmtPlugin
from spec.measured_clocks import is_measured_design
from spec.memory_map import ROLES, WRITTEN_ROLES, MemoryMap, PortRole
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import QuantScheme
from spec.workload import Stage

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

# Streams that run beat by beat for long; the others are short bursts between them. Streams of one group run at the
# same time and compete for a channel; groups of one stage take turns.
CONCURRENT_STREAMS: dict[Stage, tuple[tuple[PortRole, ...], ...]] = {
    "prefill": (("weights_kq", "weights_vo", "weights_gate", "weights_up", "weights_down", "k_cache", "v_cache"),),
    "decode": (("weights",), ("k_cache", "v_cache"), ("weights_lm_head",)),
}


class PortLike(Protocol):
    """What a placement needs to know of a port; a `MemoryPort` is one."""

    @property
    def roles(self) -> tuple[PortRole, ...]: ...
    @property
    def memory(self) -> MemoryKind: ...
    @property
    def channel(self) -> int: ...
    @property
    def width_bits(self) -> int: ...


# By what a reader tells layouts apart: the kind of each placement, and how many kinds there are.
LayoutKinds = dict[tuple[tuple[str, ...], ...], tuple[IntArray, int]]


@dataclass(frozen=True, slots=True)
class StagePlacements:
    """The distinct port layouts of one stage as arrays over (n_placements, n_roles), roles as in `ROLES[stage]`.

    `ports`, `width_bits`: number of ports and width of a role's narrowest port.
    `on_hbm`, `on_ddr`: whether the role has ports there.
    `saturation_mhz`: kernel clock up to which memory delivers a beat of every port of the role each cycle (the port
    law); above it the stream slows down in proportion.
    `channels` (n_placements): {HBM channel: {role: its ports there}}.
    `mixes` (n_placements, n_mixes, n_roles): the distinct channels, each with the fractions of the roles' traffic that
    it carries, padded with zeros. `mix_terms`: the (mix, role) that are not zero in every placement.
    `hbm_ports`, `ddr_ports`: ports, highest channel and widest port by memory, as `MemoryPorts`.
    `streams_per_port`, `total_ports`, `total_port_bits`: (n_placements,); the first is the largest number of streams
    that want a beat of one port at the same time. `adapter_bram_18k` (n_placements,): block RAM of the adapters of our
    library, one a port (`spec.axi_bursts`). `cache_apart` (n_placements,): no port and no channel carries both
    weights and cache, so that they may stream at the same time. `kinds`: which placements are alike, as far as readers have
    asked (`cost_models.row_sets`).
    """

    stage: Stage
    ports: IntArray
    width_bits: FloatArray
    on_hbm: BoolArray
    on_ddr: BoolArray
    saturation_mhz: FloatArray
    channels: tuple[dict[int, dict[int, int]], ...]
    mixes: FloatArray
    mix_terms: tuple[tuple[int, int], ...]
    hbm_ports: MemoryPorts
    ddr_ports: MemoryPorts
    streams_per_port: IntArray
    total_ports: IntArray
    total_port_bits: IntArray
    adapter_bram_18k: IntArray
    further_clients: IntArray
    further_client_bits: IntArray
    cache_apart: BoolArray
    kinds: LayoutKinds = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ports)

    def role(self, name: PortRole) -> int:
        """Column of a role."""
        return ROLES[self.stage].index(name)

    @classmethod
    def of(cls, layouts: Sequence[Sequence[PortLike]], stage: Stage, device: Device) -> StagePlacements:
        """Arrays of the given layouts; each layout holds the ports of this stage.

        Ports on a memory or a channel that the card does not have are kept, for legality to refuse.
        """
        column = {role: r for r, role in enumerate(ROLES[stage])}
        groups: dict[PortRole, tuple[PortRole, ...]] = {role: (role,) for role in column}
        for group in CONCURRENT_STREAMS[stage]:
            groups.update(dict.fromkeys(group, group))
        memories = {"hbm": device.hbm, "ddr": device.ddr}
        n_channels = device.hbm.channels if device.hbm else 0
        # Plain lists, row by row: a space has thousands of layouts of dozens of ports each.
        ports = [[0] * len(column) for _ in layouts]
        width = [[math.inf] * len(column) for _ in layouts]
        saturation = [[math.inf] * len(column) for _ in layouts]
        on = {kind: [[False] * len(column) for _ in layouts] for kind in memories}
        limits: dict[tuple[MemoryKind, int, int], float] = {}
        channels: list[dict[int, dict[int, int]]] = [{} for _ in layouts]
        streams = [1] * len(layouts)
        for p, layout in enumerate(layouts):
            busy: dict[tuple[tuple[PortRole, ...], MemoryKind, int], int] = {}
            for port in layout:
                wanted = [groups[role] for role in port.roles]
                for group in set(wanted):
                    key = (group, port.memory, port.channel)
                    busy[key] = busy.get(key, 0) + port.width_bits
                if len(wanted) > 1:
                    streams[p] = max(streams[p], *(wanted.count(group) for group in wanted))
            for port in layout:
                memory = memories[port.memory]
                for role in port.roles:
                    r = column[role]
                    ports[p][r] += 1
                    width[p][r] = min(width[p][r], port.width_bits)
                    on[port.memory][p][r] = True
                    if memory is not None:
                        asked = (port.memory, port.width_bits, busy[groups[role], port.memory, port.channel])
                        if asked not in limits:
                            limits[asked] = saturation_mhz(memory, *asked[1:])
                        saturation[p][r] = min(saturation[p][r], limits[asked])
                    if port.memory == "hbm" and port.channel < n_channels:
                        carried = channels[p].setdefault(port.channel, {})
                        carried[r] = carried.get(r, 0) + 1
        shape = (len(layouts), len(column))
        port_table = np.array(ports, dtype=np.int64).reshape(shape)
        mixes = _mixes(channels, port_table)
        return cls(
            stage=stage,
            ports=port_table,
            width_bits=np.array(width, dtype=np.float64).reshape(shape),
            on_hbm=np.array(on["hbm"], dtype=bool).reshape(shape),
            on_ddr=np.array(on["ddr"], dtype=bool).reshape(shape),
            saturation_mhz=np.array(saturation, dtype=np.float64).reshape(shape),
            channels=tuple(channels),
            mixes=mixes,
            mix_terms=tuple((int(m), int(r)) for m, r in np.argwhere(mixes.any(axis=0))),
            hbm_ports=MemoryPorts.of(layouts, "hbm"),
            ddr_ports=MemoryPorts.of(layouts, "ddr"),
            streams_per_port=np.array(streams, dtype=np.int64),
            total_ports=np.array([len(layout) for layout in layouts], dtype=np.int64),
            total_port_bits=np.array([sum(port.width_bits for port in layout) for layout in layouts], dtype=np.int64),
            adapter_bram_18k=np.array([_adapter_bram18(layout) for layout in layouts], dtype=np.int64),
            further_clients=np.array(
                [sum(_further_clients(p, stage) for p in layout) for layout in layouts], dtype=np.int64
            ),
            further_client_bits=np.array(
                [sum(_further_clients(p, stage) * p.width_bits for p in layout) for layout in layouts], dtype=np.int64
            ),
            cache_apart=np.array([_cache_apart(layout) for layout in layouts], dtype=bool),
        )


def _adapter_bram18(ports: Iterable[PortLike]) -> int:
    return sum(port_bram18(port.width_bits, not WRITTEN_ROLES.isdisjoint(port.roles)) for port in ports)


def _further_clients(port: PortLike, stage: Stage) -> int:
    """Tasks at a port beside the first: one a role; prefill reads and writes the hidden state by two tasks."""
    return len(port.roles) - 1 + (stage == "prefill" and "io" in port.roles)


def _cache_apart(layout: Sequence[PortLike]) -> bool:
    def places(*roles: str) -> set[tuple[MemoryKind, int]]:
        return {(port.memory, port.channel) for port in layout if not set(roles).isdisjoint(port.roles)}

    return places("k_cache", "v_cache").isdisjoint(places("weights", "weights_lm_head"))


def saturation_mhz(memory: MemorySystem, width_bits: int, channel_demand_bits: int) -> float:
    """The port law: the kernel clock (MHz) at which a port asks for just as much as memory gives it.

    A port asks for width/8 x clock. Memory gives the lesser of the rate on its own side of the port and the port's
    part, by width, of the channel's sustained rate x efficiency; `channel_demand_bits` is the width of all ports that
    stream from the channel at the same time.
    """
    by_port = memory.memory_port_bytes_per_s / width_bits
    by_channel = memory.channel_sustained_bytes_per_s * memory.efficiency / channel_demand_bits
    return min(by_port, by_channel) * 8 / 1e6


@dataclass(frozen=True, slots=True)
class MemoryPorts:
    """The ports of one memory kind in each placement, (n_placements,) each; `highest_channel` is -1 without ports.
    `channels`: how many have ports.
    """

    number: IntArray
    highest_channel: IntArray
    widest_bits: IntArray
    total_bits: IntArray
    adapter_bram_18k: IntArray
    channels: IntArray

    @classmethod
    def of(cls, layouts: Sequence[Sequence[PortLike]], kind: MemoryKind) -> MemoryPorts:
        """The ports of `layouts` on one kind of memory."""
        table = np.zeros((6, len(layouts)), dtype=np.int64)
        table[1] = -1
        for p, layout in enumerate(layouts):
            ports = [port for port in layout if port.memory == kind]
            if ports:
                highest, widest = max(port.channel for port in ports), max(port.width_bits for port in ports)
                table[:, p] = (
                    len(ports),
                    highest,
                    widest,
                    sum(port.width_bits for port in ports),
                    _adapter_bram18(ports),
                    len({port.channel for port in ports}),
                )
        return cls(*table)


def _mixes(channels: Sequence[dict[int, dict[int, int]]], ports: IntArray) -> FloatArray:
    """The distinct channels of each placement as fractions of each role: (n_placements, n_mixes, n_roles).

    In the order of roles, so that a mix index mostly stands for the same roles in every placement.
    """
    distinct = [sorted({tuple(sorted(carried.items())) for carried in used.values()}) for used in channels]
    mixes = np.zeros((len(channels), max((len(mix) for mix in distinct), default=0), ports.shape[1]))
    for p, placement in enumerate(distinct):
        for m, carried in enumerate(placement):
            for role, number in carried:
                mixes[p, m, role] = number / ports[p, role]
    return mixes


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """Prefill designs, each array (n_points,). `placement` indexes `placements`, `module_set` indexes `modules`; without
    a `module_set` every design has the first of `modules`. `clock_measured`: which are the measured design; None: none.
    """

    token_parallelism: IntArray
    qkvo_weight_parallelism: IntArray
    ffn_weight_parallelism: IntArray
    ffn_weight_blocks: IntArray
    key_parallelism: IntArray
    value_parallelism: IntArray
    clock_mhz: FloatArray
    placement: IntArray
    placements: StagePlacements
    modules: tuple[PrefillModules, ...] = (PrefillModules(),)
    module_set: IntArray | None = None
    clock_measured: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.token_parallelism)

    def take(self, index: IntArray | slice) -> PrefillBatch:
        """The designs at `index`, in its order."""
        return PrefillBatch(**_taken(self, index))


@dataclass(frozen=True, slots=True)
class DecodeBatch:
    """Decode designs, each array (n_points,). `placement` indexes `placements`, `module_set` indexes `modules`; without
    a `module_set` every design has the first of `modules`. `clock_measured`: which are the measured design; None: none.
    """

    block_parallelism: IntArray
    weight_parallelism: IntArray
    engine_splits: IntArray
    head_parallelism: IntArray
    key_parallelism: IntArray
    value_parallelism: IntArray
    vector_parallelism: IntArray
    clock_mhz: FloatArray
    placement: IntArray
    placements: StagePlacements
    modules: tuple[DecodeModules, ...] = (DecodeModules(),)
    module_set: IntArray | None = None
    clock_measured: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.block_parallelism)

    def take(self, index: IntArray | slice) -> DecodeBatch:
        """The designs at `index`, in its order."""
        return DecodeBatch(**_taken(self, index))


_PER_BATCH = ("placements", "modules")


def _taken(batch: PrefillBatch | DecodeBatch, index: IntArray | slice) -> dict[str, Any]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    kept = {name: value for name, value in values.items() if name in _PER_BATCH or value is None}
    if isinstance(index, slice):
        return kept | {name: value[index] for name, value in values.items() if name not in kept}
    if index.dtype == bool:
        index = np.flatnonzero(index)
    return kept | {name: value.take(index) for name, value in values.items() if name not in kept}


_STAGE_PARAMETERS: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    ("prefill", PREFILL_PARAMETERS),
    ("decode", DECODE_PARAMETERS),
)


@dataclass(frozen=True, slots=True)
class DesignBatch:
    """Pairs of a prefill and a decode design, (n_points,), of one quantization scheme, one HMT plug-in or none, and one
    set of choices that hold for the whole system.
    """

    prefill: PrefillBatch
    decode: DecodeBatch
    quant_scheme: QuantScheme
    hmt: HmtPlugin | None = None
    system: SystemChoices = DEFAULT_SYSTEM

    def __post_init__(self) -> None:
        if len(self.prefill) != len(self.decode):
            raise ValueError(f"{len(self.prefill)} prefill designs but {len(self.decode)} decode designs")

    def __len__(self) -> int:
        return len(self.prefill)

    def take(self, index: IntArray | slice) -> DesignBatch:
        """The designs at `index`, in its order."""
        return replace(self, prefill=self.prefill.take(index), decode=self.decode.take(index))

    @classmethod
    def from_points(cls, points: Sequence[DesignPoint], device: Device) -> DesignBatch:
        """A batch of design points.

        Raises:
            InputError: no points, or points of several quantization schemes, HMT plug-ins or system choices.
        """
        if not points:
            raise InputError("no designs", field="designs", value=[], rule="at least one design")
        schemes = {point.quant_scheme for point in points}
        if len(schemes) > 1:
            raise InputError(
                "designs of several quantization schemes in one batch",
                field="quant_scheme",
                value=sorted(scheme.name for scheme in schemes),
                rule="one scheme a batch",
                hint="evaluate them scheme by scheme",
            )
        plugins = {point.hmt for point in points}
        if len(plugins) > 1:
            raise InputError(
                "designs of several HMT plug-ins in one batch",
                field="hmt",
                value=f"{len(plugins)} of them, none counting as one",
                rule="one HMT plug-in a batch, or none",
                hint="evaluate them one plug-in at a time",
            )
        systems = {point.system for point in points}
        if len(systems) > 1:
            raise InputError(
                "designs of several deployments, formats or layouts in one batch",
                field="deployment",
                value=sorted({point.deployment for point in points}),
                rule="one deployment, nonlinear_format, kv_layout and weight_copies a batch",
                hint="evaluate them one by one",
            )
        stages: dict[str, dict[str, Any]] = {}
        for stage, parameters in _STAGE_PARAMETERS:
            columns: dict[str, Any] = {
                name: np.array([getattr(getattr(point, stage), name) for point in points], dtype=np.int64)
                for name in parameters
            }
            sets: dict[Any, int] = {}
            module_set = [sets.setdefault(getattr(point, stage).modules, len(sets)) for point in points]
            columns["modules"] = tuple(sets)
            columns["module_set"] = np.array(module_set, dtype=np.int64) if len(sets) > 1 else None
            columns["clock_mhz"] = np.array([getattr(point.clock_target_mhz, stage) for point in points])
            measured = np.array([is_measured_design(point) for point in points])
            columns["clock_measured"] = measured if measured.any() else None
            distinct: dict[MemoryMap, int] = {}
            index = [distinct.setdefault(point.memory_map, len(distinct)) for point in points]
            columns["placement"] = np.array(index, dtype=np.int64)
            layouts = [[port for port in m.ports if port.stage == stage] for m in distinct]
            columns["placements"] = StagePlacements.of(layouts, stage, device)
            stages[stage] = columns
        return cls(
            PrefillBatch(**stages["prefill"]),
            DecodeBatch(**stages["decode"]),
            points[0].quant_scheme,
            points[0].hmt,
            points[0].system,
        )
