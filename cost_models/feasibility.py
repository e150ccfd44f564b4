"""Whether a stage fits the card: resources against caps, memory against capacity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cost_models.arrays import FloatArray, ResourceArrays
from cost_models.memory import channel_bytes
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
            bound=np.full(n, UTILIZATION_CAPS[name]),
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
    cache = np.full(len(batch), model.n_layers * workload.context_tokens * model.kv_dim * scheme.kv_bits / 8)
    stored: dict[PortRole, FloatArray] = {"k_cache": cache, "v_cache": cache}
    if cost.stage == "decode":
        stored["weights"] = cost.traffic_bytes["weights"]  # each weight is read once a token
        stored["scales"] = cost.traffic_bytes["scales"]
        stored["embedding"] = np.full(len(batch), float(model.vocab_size * model.hidden_dim * 4))
        return stored
    per_block = model.n_layers * model.layer_linear_weights * scheme.weight_bits / 8
    shares = {
        "weights_kq": model.hidden_dim * (model.kv_dim + model.q_dim),
        "weights_vo": model.hidden_dim * (model.kv_dim + model.q_dim),
        "weights_gate": model.hidden_dim * model.ffn_dim,
        "weights_up": model.hidden_dim * model.ffn_dim,
        "weights_down": model.hidden_dim * model.ffn_dim,
    }
    total = sum(shares.values())
    for role, weights in shares.items():
        stored[role] = np.full(len(batch), per_block * weights / total)  # type: ignore[index]
    stored["io"] = np.full(len(batch), float(2 * workload.prompt_tokens * model.hidden_dim * 4))
    return stored


def memory_rules(
    cost: StageCost,
    batch: PrefillBatch | DecodeBatch,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    scheme: QuantScheme,
) -> Iterator[Rule]:
    """The busiest HBM channel and the DDR against their capacity."""
    n = len(batch)
    stored = stored_bytes(cost, batch, model, workload, scheme)
    if device.hbm is not None:
        yield Rule(
            constraint="hbm_channel_capacity",
            where=cost.stage,
            demand=channel_bytes(batch, stored).max(axis=1),
            bound=np.full(n, float(device.hbm.channel_capacity_bytes)),
            unit="bytes",
            message=f"the fullest HBM channel of {cost.stage} holds more than a channel of {device.name} has",
            levers=("spread the weights over more ports", "take a card with more HBM", "take a smaller model"),
        )
    ddr_bytes = np.zeros(n)
    for role, amount in stored.items():
        on_hbm = batch.placements.on_hbm[batch.placement, batch.placements.role(role)]
        ddr_bytes += np.where(on_hbm, 0.0, amount)
    yield Rule(
        constraint="ddr_capacity",
        where=cost.stage,
        demand=ddr_bytes,
        bound=np.full(n, float(device.ddr.capacity_bytes) if device.ddr is not None else 0.0),
        unit="bytes",
        message=f"{cost.stage} keeps more in DDR than {device.name} has",
        levers=("map the embedding to HBM", "take a smaller model"),
    )
