"""Whether a stage fits the card: resources and CLBs against caps, SLR by SLR as far as that needs no assignment, memory
against capacity, power against the card's limit.

Caps hold estimates: each rule carries the error band of its demand, and only what exceeds the cap at the low end of
the band is broken (`spec.legality.Rule`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cost_models.arrays import FloatArray, ResourceArrays
from cost_models.bands import resource_band
from cost_models.capacity import StageTraffic, stored_bytes
from cost_models.clb import CLB_CAP
from cost_models.frequency import card_clb_fraction
from cost_models.memory import ddr_bytes, ddr_rate_bound, fullest_channel_bytes
from cost_models.slr import UTILIZATION_CAPS, slr_rules
from cost_models.stage_cost import StageCost
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.device import Device
from spec.legality import Rule
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.workload import Stage, Workload

_LEVERS = {
    "prefill": {
        "lut": ("lower token_parallelism", "lower ffn_weight_parallelism"),
        "ff": ("lower token_parallelism", "lower ffn_weight_parallelism"),
        "dsp": ("lower ffn_weight_parallelism", "lower token_parallelism"),
        "bram_18k": ("lower token_parallelism", "use fewer or narrower ports"),
        "uram": ("lower token_parallelism",),
    },
    "decode": {
        "lut": ("lower block_parallelism", "lower weight_parallelism", "use fewer ports"),
        "ff": ("lower block_parallelism", "lower weight_parallelism", "use fewer ports"),
        "dsp": ("lower weight_parallelism", "lower head_parallelism"),
        "bram_18k": ("use fewer or narrower ports", "lower block_parallelism"),
        "uram": ("lower block_parallelism", "lower engine_splits"),
    },
}


def used_fractions(resources: ResourceArrays, device: Device) -> dict[str, FloatArray]:
    """Used fraction of the whole card, shell included, of each kind, (n_points,) each."""
    total, shell = device.total.as_dict(), device.shell.as_dict()
    return {name: (array + shell[name]) / max(total[name], 1) for name, array in resources.items()}


def resource_rules(cost: StageCost, batch: PrefillBatch | DecodeBatch, device: Device) -> Iterator[Rule]:
    """One rule for each kind of resource of the whole card, one for its CLBs, and what every SLR assignment must hold."""
    yield from card_rules(cost.stage, cost.resources, used_fractions(cost.resources, device), device)
    yield from slr_rules(cost, batch, device)


def card_rules(
    stage: Stage, resources: ResourceArrays, used: Mapping[str, FloatArray], device: Device
) -> Iterator[Rule]:
    """The kernel of a stage and the shell on the whole card; `used`: fractions of it by kind, (n_points,) each."""
    caps = {**UTILIZATION_CAPS, "clb": CLB_CAP}
    for name, fraction in {**used, "clb": card_clb_fraction(resources, device)}.items():
        low, high = resource_band(name, device)
        yield Rule(
            constraint=f"{name}_utilization",
            where=stage,
            demand=fraction,
            bound=np.broadcast_to(caps[name], fraction.shape),
            unit="fraction",
            message=f"{stage} uses too many {name} of {device.name}, shell included",
            levers=_LEVERS[stage]["lut" if name == "clb" else name],
            relative_low=low,
            relative_high=high,
            limit=1.0,
        )


def clock_rule(stage: Stage, batch: PrefillBatch | DecodeBatch, device: Device) -> Rule:
    """The clock target against the highest clock that designs of this kind reached on the card."""
    return Rule(
        constraint="clock_target",
        where=stage,
        demand=batch.clock_mhz,
        bound=np.broadcast_to(device.clock.max_mhz, (len(batch),)),
        unit="MHz",
        message=f"the clock target of {stage} is above the highest clock of {device.name}",
        levers=("lower the clock target",),
    )


def power_rule(stage: Stage, power_w: FloatArray, device: Device) -> Iterator[Rule]:
    """The board's power while the stage runs against the card's limit; none where idle power is not known."""
    if device.power.configured_w is None:
        return
    yield Rule(
        constraint="power_limit",
        where=stage,
        demand=power_w,
        bound=np.broadcast_to(device.power.limit_w, (len(power_w),)),
        unit="W",
        message=f"{device.name} draws more than its limit while {stage} runs",
        levers=("lower the clock target", *_LEVERS[stage]["lut"]),
        relative_low=device.power.relative_low or 0.0,
        relative_high=device.power.relative_high or 0.0,
    )


def ddr_bytes_per_s(cost: StageCost, batch: PrefillBatch | DecodeBatch) -> FloatArray:
    """What a stage moves over DDR in the mean, (n_points,)."""
    seconds = np.where(cost.latency_s > 0, cost.latency_s, cost.first_latency_s)
    moved = ddr_bytes(batch, cost.traffic_bytes)
    return np.divide(moved, seconds, out=np.zeros(len(batch)), where=seconds > 0)


def ddr_rate_rule(
    stage: Stage, bytes_per_s: FloatArray, batch: PrefillBatch | DecodeBatch, device: Device
) -> Iterator[Rule]:
    """What a stage moves over DDR in the mean against what the channels that it uses deliver. The port law slows each stream
    by itself; several that run at the same time may still ask for more. None where nothing moves.
    """
    if not bytes_per_s.any():
        return
    yield Rule(
        constraint="ddr_rate",
        where=stage,
        demand=bytes_per_s,
        bound=ddr_rate_bound(batch, device),
        unit="bytes/s",
        message=f"{stage} moves more over the DDR channels that it uses than these deliver on {device.name}",
        levers=("move weights, caches or scales to HBM", "spread the ports over more DDR channels"),
    )


def memory_rules(
    cost: StageTraffic,
    batch: PrefillBatch | DecodeBatch,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    scheme: QuantScheme,
    beside: Mapping[PortRole, FloatArray] | None = None,
) -> Iterator[Rule]:
    """The busiest HBM channel and the DDR against their capacity; `beside`: bytes of roles that are not the kernel's."""
    n = len(batch)
    stored = {**stored_bytes(cost, batch, model, workload, scheme), **(beside or {})}
    if device.hbm is not None:
        yield Rule(
            constraint="hbm_channel_capacity",
            where=cost.stage,
            demand=fullest_channel_bytes(batch, stored),
            bound=np.broadcast_to(float(device.hbm.channel_capacity_bytes), (n,)),
            unit="bytes",
            message=f"the fullest HBM channel of {cost.stage} holds more than a channel of {device.name} has",
            levers=("spread the weights over more ports", "take a card with more HBM", "take a smaller model"),
        )
    yield Rule(
        constraint="ddr_capacity",
        where=cost.stage,
        demand=ddr_bytes(batch, stored),
        bound=np.broadcast_to(float(device.ddr.capacity_bytes) if device.ddr is not None else 0.0, (n,)),
        unit="bytes",
        message=f"{cost.stage} keeps more in DDR than {device.name} has",
        levers=("map the embedding to HBM", "take a smaller model"),
    )
