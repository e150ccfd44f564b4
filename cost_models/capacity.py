"""Capacity of external memory: bytes by role and channel of a design, and what a model needs of a card at all.

A port reads one channel: what a role keeps is spread evenly over its ports, and the channel of each must hold its part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.prefill import stored_weight_bytes
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup, layer_channels, prefilled_tokens
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.design_point import DesignPoint
from spec.device import Device, MemoryKind, MemorySystem
from spec.memory_capacity import CapacityReport, CardNeed, MemoryUse, Relocation, StoredRole
from spec.memory_map import MemoryPort, PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.spread_memory_map import MIN_PORT_BITS
from spec.workload import STAGES, Stage, Workload

CARD_WEIGHT_BITS = (4, 8)  # the widths of the capacity verdict for a card
_MEMORIES: tuple[MemoryKind, ...] = ("hbm", "ddr")


class StageTraffic(Protocol):
    """The bytes that each role of a stage moves; a `StageCost` has them."""

    @property
    def stage(self) -> Stage: ...
    @property
    def traffic_bytes(self) -> Mapping[PortRole, FloatArray]: ...


def stored_bytes(
    cost: StageTraffic,
    batch: PrefillBatch | DecodeBatch,
    model: ModelConfig,
    workload: Workload,
    scheme: QuantScheme,
) -> dict[PortRole, FloatArray]:
    """Bytes that each role keeps in external memory during the stage, (n_points,) each."""
    n = len(batch)
    tokens = workload.context_tokens if isinstance(batch, DecodeBatch) else prefilled_tokens(workload)
    cache = np.full(n, model.n_layers * tokens * model.kv_dim * scheme.kv_bits / 8)
    stored: dict[PortRole, FloatArray] = {"k_cache": cache, "v_cache": cache}
    if isinstance(batch, DecodeBatch):
        stored.update(
            {role: cost.traffic_bytes[role] for role in ("weights", "weights_lm_head") if role in cost.traffic_bytes}
        )  # each weight is read once a token
        stored["scales"] = cost.traffic_bytes["scales"]
        stored["embedding"] = np.full(n, float(model.vocab_size * model.hidden_dim * HIDDEN_BYTES))
        return stored
    stored.update(stored_weight_bytes(batch, StageSetup(model, workload, scheme)))
    stored["io"] = np.full(n, float(2 * tokens * model.hidden_dim * HIDDEN_BYTES))
    return stored


def capacity_report(
    point: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    stored: Mapping[Stage, Mapping[PortRole, float]],
) -> CapacityReport:
    """Where the data of both stages lie. `stored`: bytes by stage and role of this design."""
    roles = [
        stored_role(role, ports, amount)
        for stage in STAGES
        for role, amount in stored[stage].items()
        if amount > 0 and (ports := point.memory_map.of(stage, role))
    ]
    memories = [
        use for stage in STAGES for kind in _MEMORIES if (use := memory_use(stage, kind, point, device, stored[stage]))
    ]
    bits = sorted({*CARD_WEIGHT_BITS, point.quant_scheme.weight_bits})
    card = [card_need(model, device, workload, weight_bits, point.quant_scheme.kv_bits) for weight_bits in bits]
    return CapacityReport(roles=tuple(roles), memories=tuple(memories), card=tuple(card))


def stored_role(role: PortRole, ports: tuple[MemoryPort, ...], amount: float) -> StoredRole:
    """One role over its ports."""
    channels = [port.channel for port in ports]
    most = max(channels.count(channel) for channel in channels)
    return StoredRole(
        role=f"{ports[0].stage}.{role}",
        memory=ports[0].memory,
        channels=tuple(sorted(set(channels))),
        stored_bytes=amount,
        bytes_per_channel=amount * most / len(ports),
    )


def memory_use(
    stage: Stage, kind: MemoryKind, point: DesignPoint, device: Device, stored: Mapping[PortRole, float]
) -> MemoryUse | None:
    """One memory during one stage; None where the card has none of the kind and the stage maps nothing to it."""
    memory = device.hbm if kind == "hbm" else device.ddr
    by_channel: dict[int, dict[PortRole, float]] = {}
    for role, amount in stored.items():
        ports = point.memory_map.of(stage, role)
        for port in ports:
            if port.memory == kind and amount > 0:
                held = by_channel.setdefault(port.channel, {})
                held[role] = held.get(role, 0.0) + amount / len(ports)
    if memory is None:
        return None
    total = sum(sum(held.values()) for held in by_channel.values())
    fullest = max(by_channel, key=lambda channel: sum(by_channel[channel].values()), default=None)
    held = by_channel[fullest] if fullest is not None else {}
    amount = sum(held.values())
    # DDR is interleaved by the host's allocator over its few channels; only HBM ports are bound to one channel.
    capacity = memory.channel_capacity_bytes if kind == "hbm" else memory.capacity_bytes
    demand = amount if kind == "hbm" else total
    short = max(0.0, demand - capacity)
    heaviest = max(held, key=lambda role: held[role], default=None)
    return MemoryUse(
        stage=stage,
        memory=kind,
        channels=memory.channels,
        channel_capacity_bytes=memory.channel_capacity_bytes,
        stored_bytes=total,
        fullest_channel=fullest,
        fullest_channel_bytes=amount,
        fits=short == 0.0,
        shortfall_bytes=short,
        even_fraction=total / memory.capacity_bytes,
        message=_message(stage, kind, fullest, demand, capacity, heaviest),
        levers=() if short == 0.0 or heaviest is None else _levers(point, stage, kind, heaviest, stored, memory),
    )  # fmt: skip


def _message(
    stage: Stage, kind: MemoryKind, channel: int | None, demand: float, capacity: int, role: PortRole | None
) -> str:
    if channel is None:
        return f"{stage} keeps nothing in {kind.upper()}"
    where = f"channel {channel} of {kind.upper()}" if kind == "hbm" else kind.upper()
    verdict = "fits" if demand <= capacity else "does NOT fit"
    return f"{stage}: {where} holds {_mib(demand)} of {_mib(capacity)}, mostly {role}: {verdict}"


def _levers(
    point: DesignPoint,
    stage: Stage,
    kind: MemoryKind,
    role: PortRole,
    stored: Mapping[PortRole, float],
    memory: MemorySystem,
) -> tuple[str, ...]:
    if kind == "ddr":
        return ("map the embedding to HBM", "take a smaller model")
    in_memory = [role for role in stored if any(port.memory == kind for port in point.memory_map.of(stage, role))]
    if sum(stored[role] for role in in_memory) > memory.capacity_bytes:
        return ("store the weights with fewer bits", "move the embedding or the lm_head to DDR", "take another card")
    ports = point.memory_map.of(stage, role)
    number, bits = len(ports), sum(port.width_bits for port in ports)
    while number * memory.channel_capacity_bytes < stored[role]:
        number *= 2  # ports are powers of two wide, and together as wide as the lanes that they feed
    if bits // number < MIN_PORT_BITS:
        return (f"widen the array of {role}: its {bits} bits a cycle cannot come from {number} ports",)
    if number == len(ports):
        return (f"give {role} channels of its own: other roles share its fullest one",)
    return (
        f"spread {role} over {number} channels: {number} {stage} ports of {bits // number} bit, each on its own channel",
    )


def card_need(model: ModelConfig, device: Device, workload: Workload, weight_bits: int, kv_bits: int) -> CardNeed:
    """What a decode image of `model` needs with weights and lm_head of `weight_bits`, spread evenly over `device`.

    The embedding (fp32, one row a token) lies in DDR where the card has it. What HBM cannot hold moves to DDR in this
    order: lm_head, then whole layers; read there, it costs at most its bytes over the rate of all DDR channels.
    """
    per_layer_channels = layer_channels(model)
    layer = model.layer_linear_weights * weight_bits / 8 + per_layer_channels * SCALE_BYTES
    head = model.lm_head_weights * weight_bits / 8 + model.padded_vocab_size * SCALE_BYTES
    weights = (model.n_layers * model.layer_linear_weights + model.lm_head_weights) * weight_bits / 8
    scales = (model.n_layers * per_layer_channels + model.padded_vocab_size) * SCALE_BYTES
    cache = 2 * model.n_layers * model.kv_dim * workload.context_tokens * kv_bits / 8
    embedding = float(model.vocab_size * model.hidden_dim * HIDDEN_BYTES)
    in_hbm, in_ddr = weights + scales + cache, embedding
    moved: list[Relocation] = []
    if device.hbm is None:
        in_hbm, in_ddr = 0.0, weights + scales + cache + embedding
    elif device.ddr is None:
        in_hbm, in_ddr = in_hbm + embedding, 0.0
    elif (excess := in_hbm - device.hbm.capacity_bytes) > 0:
        ddr_rate = device.ddr.channels * device.ddr.channel_sustained_bytes_per_s * device.ddr.efficiency
        moved.append(Relocation(what="lm_head", moved_bytes=head, s_per_token=head / ddr_rate))
        if excess > head:
            layers = min(model.n_layers, math.ceil((excess - head) / layer))
            amount = layers * layer
            what = f"the linear layers of {layers} of {model.n_layers} layers"
            moved.append(Relocation(what=what, moved_bytes=amount, s_per_token=amount / ddr_rate))
        in_hbm -= sum(one.moved_bytes for one in moved)
        in_ddr += sum(one.moved_bytes for one in moved)
    hbm = in_hbm / device.hbm.capacity_bytes if device.hbm is not None else None
    ddr = in_ddr / device.ddr.capacity_bytes if device.ddr is not None else None
    fits = (hbm is None or hbm <= 1.0) and (ddr is None or ddr <= 1.0)
    return CardNeed(
        weight_bits=weight_bits,
        weight_bytes=weights,
        scale_bytes=scales,
        kv_cache_bytes=cache,
        embedding_bytes=embedding,
        hbm_fraction=hbm,
        ddr_fraction=ddr,
        relocations=tuple(moved),
        fits=fits,
        message=_card_message(device, weight_bits, hbm, ddr, moved, fits),
    )


def _card_message(
    device: Device, weight_bits: int, hbm: float | None, ddr: float | None, moved: list[Relocation], fits: bool
) -> str:
    fills = [f"{name} {part:.0%} full" for name, part in (("HBM", hbm), ("DDR", ddr)) if part is not None]
    where = " and ".join(fills)
    if not fits:
        return f"W{weight_bits} does NOT fit {device.name}: {where}"
    if not moved:
        return f"W{weight_bits} fits {device.name}: {where}"
    what = " and ".join(f"{one.what} ({_mib(one.moved_bytes)})" for one in moved)
    cost = sum(one.s_per_token for one in moved)
    return f"W{weight_bits} fits {device.name} only with {what} in DDR, up to {cost * 1e3:.0f} ms more a token: {where}"


def _mib(amount: float) -> str:
    return f"{amount / 2**20:,.0f} MiB"
