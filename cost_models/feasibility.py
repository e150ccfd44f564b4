"""Whether a stage fits the card: resources against caps, memory against capacity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cost_models.arrays import FloatArray, ResourceArrays
from cost_models.memory import ddr_bytes, fullest_channel_bytes
from cost_models.prefill import HIDDEN_BYTES, prefilled_tokens, stored_weight_bytes
from cost_models.stage_cost import StageCost
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.device import Device
from spec.legality import Rule
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.workload import Workload

# Highest used fraction of the whole card, shell included. DSP, BRAM, URAM 80 % and FF 50 %: the utilization guideline
# of AMD's UltraFast methodology (UG949). LUT 55 %: CLBs fill first; FlexLLM's are at 66 % and 76 % where its LUTs are
# at 39 % and 44 %, so 55 % of LUTs is about 95 % of CLBs.
UTILIZATION_CAPS = {"lut": 0.55, "ff": 0.50, "dsp": 0.80, "bram_18k": 0.80, "uram": 0.80}

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


def resource_rules(cost: StageCost, device: Device) -> Iterator[Rule]:
    """One rule for each kind of resource."""
    n = len(cost.cycles)
    for name, fraction in used_fractions(cost.resources, device).items():
        yield Rule(
            constraint=f"{name}_utilization",
            where=cost.stage,
            demand=fraction,
            bound=np.broadcast_to(UTILIZATION_CAPS[name], (n,)),
            unit="fraction",
            message=f"{cost.stage} uses too many {name} of {device.name}, shell included",
            levers=_LEVERS[cost.stage][name],
        )


def stored_bytes(
    cost: StageCost,
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
        stored["weights"] = cost.traffic_bytes["weights"]  # each weight is read once a token
        stored["scales"] = cost.traffic_bytes["scales"]
        stored["embedding"] = np.full(n, float(model.vocab_size * model.hidden_dim * HIDDEN_BYTES))
        return stored
    stored.update(stored_weight_bytes(batch, model))
    stored["io"] = np.full(n, float(2 * tokens * model.hidden_dim * HIDDEN_BYTES))
    return stored


def memory_rules(
    cost: StageCost,
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
