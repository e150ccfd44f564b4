"""Designs as struct of arrays: what the vectorised cost models take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign
from spec.device import Device, MemoryKind
from spec.errors import InputError
from spec.memory_map import ROLES, MemoryMap, PortRole
from spec.quant_scheme import QuantScheme
from spec.workload import Stage

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

# Streams that run beat by beat for long; the others are short bursts between them. Streams of one group run at the
# same time and compete for a channel; groups of one stage take turns.
CONCURRENT_STREAMS: dict[Stage, tuple[tuple[PortRole, ...], ...]] = {
    "prefill": (("weights_kq", "weights_vo", "weights_gate", "weights_up", "weights_down", "k_cache", "v_cache"),),
    "decode": (("weights",), ("k_cache", "v_cache")),
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


@dataclass(frozen=True, slots=True)
class StagePlacements:
    """The distinct port layouts of one stage as arrays over (n_placements, n_roles), roles as in `ROLES[stage]`.

    `ports`, `width_bits`: number of ports and width of a role's narrowest port.
    `channel_demand_bits`: width of all concurrently streaming ports on the busiest channel of the role.
    `on_hbm`: whether the role lives in HBM (else DDR).
    `share` (n_placements, n_roles, n_channels): fraction of the role's traffic on each HBM channel, zero in DDR.
    `max_channel`, `hbm_ports`, `total_ports`, `total_port_bits`: (n_placements,). Channels beyond the card show in
    `max_channel`, for legality to refuse.
    """

    stage: Stage
    ports: IntArray
    width_bits: FloatArray
    channel_demand_bits: FloatArray
    on_hbm: BoolArray
    share: FloatArray
    max_channel: IntArray
    hbm_ports: IntArray
    total_ports: IntArray
    total_port_bits: IntArray

    def __len__(self) -> int:
        return len(self.ports)

    def role(self, name: PortRole) -> int:
        """Column of a role."""
        return ROLES[self.stage].index(name)

    @classmethod
    def of(cls, layouts: Sequence[Sequence[PortLike]], stage: Stage, device: Device) -> StagePlacements:
        """Arrays of the given layouts; each layout holds the ports of this stage."""
        roles = ROLES[stage]
        column = {role: r for r, role in enumerate(roles)}
        n_channels = device.hbm.channels if device.hbm else 1
        shape = (len(layouts), len(roles))
        ports = np.zeros(shape, dtype=np.int64)
        width, demand = np.full(shape, np.inf), np.zeros(shape)
        on_hbm = np.zeros(shape, dtype=bool)
        share = np.zeros((*shape, n_channels))
        max_channel, hbm_ports, total_bits = (np.zeros(len(layouts), dtype=np.int64) for _ in range(3))
        groups: dict[PortRole, tuple[PortRole, ...]] = {role: (role,) for role in roles}
        for group in CONCURRENT_STREAMS[stage]:
            groups.update(dict.fromkeys(group, group))
        for p, layout in enumerate(layouts):
            busy: dict[tuple[tuple[PortRole, ...], MemoryKind, int], int] = {}
            for port in layout:
                for group in {groups[role] for role in port.roles}:
                    key = (group, port.memory, port.channel)
                    busy[key] = busy.get(key, 0) + port.width_bits
                total_bits[p] += port.width_bits
                if port.memory == "hbm":
                    hbm_ports[p] += 1
                    max_channel[p] = max(max_channel[p], port.channel)
            for port in layout:
                for role in port.roles:
                    r = column[role]
                    ports[p, r] += 1
                    width[p, r] = min(width[p, r], port.width_bits)
                    demand[p, r] = max(demand[p, r], busy[groups[role], port.memory, port.channel])
                    on_hbm[p, r] = port.memory == "hbm"
                    if port.memory == "hbm" and port.channel < n_channels:
                        share[p, r, port.channel] += 1.0
        share /= np.maximum(ports, 1)[:, :, np.newaxis]
        return cls(
            stage=stage,
            ports=ports,
            width_bits=width,
            channel_demand_bits=demand,
            on_hbm=on_hbm,
            share=share,
            max_channel=max_channel,
            hbm_ports=hbm_ports,
            total_ports=np.array([len(layout) for layout in layouts], dtype=np.int64),
            total_port_bits=total_bits,
        )


@dataclass(frozen=True, slots=True)
class PrefillBatch:
    """Prefill designs, each array (n_points,). `placement` indexes `placements`."""

    token_parallelism: IntArray
    qkvo_weight_parallelism: IntArray
    ffn_weight_parallelism: IntArray
    ffn_weight_blocks: IntArray
    key_parallelism: IntArray
    value_parallelism: IntArray
    clock_mhz: FloatArray
    placement: IntArray
    placements: StagePlacements

    def __len__(self) -> int:
        return len(self.token_parallelism)

    def take(self, index: IntArray | slice) -> PrefillBatch:
        """The designs at `index`, in its order."""
        return PrefillBatch(**_taken(self, index))


@dataclass(frozen=True, slots=True)
class DecodeBatch:
    """Decode designs, each array (n_points,). `placement` indexes `placements`."""

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

    def __len__(self) -> int:
        return len(self.block_parallelism)

    def take(self, index: IntArray | slice) -> DecodeBatch:
        """The designs at `index`, in its order."""
        return DecodeBatch(**_taken(self, index))


def _taken(batch: PrefillBatch | DecodeBatch, index: IntArray | slice) -> dict[str, Any]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value if name == "placements" else value[index] for name, value in values.items()}


_STAGE_DESIGNS: tuple[tuple[Stage, type[PrefillDesign] | type[DecodeDesign]], ...] = (
    ("prefill", PrefillDesign),
    ("decode", DecodeDesign),
)


@dataclass(frozen=True, slots=True)
class DesignBatch:
    """Pairs of a prefill and a decode design of one quantization scheme, (n_points,)."""

    prefill: PrefillBatch
    decode: DecodeBatch
    quant_scheme: QuantScheme

    def __post_init__(self) -> None:
        if len(self.prefill) != len(self.decode):
            raise ValueError(f"{len(self.prefill)} prefill designs but {len(self.decode)} decode designs")

    def __len__(self) -> int:
        return len(self.prefill)

    def take(self, index: IntArray | slice) -> DesignBatch:
        """The designs at `index`, in its order."""
        return DesignBatch(self.prefill.take(index), self.decode.take(index), self.quant_scheme)

    @classmethod
    def from_points(cls, points: Sequence[DesignPoint], device: Device) -> DesignBatch:
        """A batch of design points.

        Raises:
            InputError: no points, or points of several quantization schemes.
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
        stages: dict[str, dict[str, Any]] = {}
        for stage, design_type in _STAGE_DESIGNS:
            columns: dict[str, Any] = {
                name: np.array([getattr(getattr(point, stage), name) for point in points], dtype=np.int64)
                for name in design_type.model_fields
            }
            columns["clock_mhz"] = np.array([getattr(point.clock_target_mhz, stage) for point in points])
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
        )
