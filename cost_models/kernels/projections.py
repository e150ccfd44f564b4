"""Projections and arrays: which module of the breakdown an array belongs to, and the calls of the decode engine.

An array that several projections share belongs to one of them (`array_owner`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cost_models.arrays import FloatArray
from spec.design_batch import PrefillBatch
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, DecodeProjection
from spec.quant_scheme import QuantScheme

# Module of the breakdown that each projection belongs to.
PROJECTION_MODULES = {
    "k": "kv_proj", "v": "kv_proj", "q": "q_proj", "o": "o_proj",
    "gate": "gate_up_proj", "up": "gate_up_proj", "down": "down_proj", "lm_head": "lm_head",
}  # fmt: skip
_OWNERS = {  # of a shared array, the first that is in the group
    "prefill": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj"),
    "decode": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj", "lm_head"),
}
FFN_PROJECTIONS = frozenset({"gate", "up", "down"})


def array_owner(group: tuple[str, ...], stage: str) -> str:
    """The module that a shared array is counted under."""
    members = {PROJECTION_MODULES[projection] for projection in group}
    return next(owner for owner in _OWNERS[stage] if owner in members)


def shared_arrays(groups: Iterable[tuple[str, ...]], stage: str) -> dict[str, str]:
    """Modules without an array of their own, each with the modules that its arrays are counted under, by comma."""
    owners: dict[str, list[str]] = {}
    for group in groups:
        owner = array_owner(group, stage)
        for name in group:
            known = owners.setdefault(PROJECTION_MODULES[name], [])
            if owner not in known:
                known.append(owner)
    having = {owner for names in owners.values() for owner in names}
    return {module: ", ".join(names) for module, names in owners.items() if module not in having}


def longest_input(group: tuple[str, ...], model: ModelConfig) -> int:
    """Input channels of the longest projection of a group."""
    inputs = {"o": model.q_dim, "down": model.ffn_dim}
    return max(inputs.get(projection, model.hidden_dim) for projection in group)


def group_width(group: tuple[str, ...], batch: PrefillBatch) -> FloatArray:
    """Output channels per pass of a prefill array, (n_points,), whole numbers."""
    narrow, wide = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism
    return (wide if FFN_PROJECTIONS & set(group) else narrow).astype(np.float64)


def hadamard_blocks(model: ModelConfig, scheme: QuantScheme) -> tuple[int, int]:
    """Size and number of the transforms before down_proj."""
    size = scheme.hadamard_block or model.ffn_dim
    return size, max(model.ffn_dim // size, 1)


def weight_bits(projection: str, scheme: QuantScheme) -> int:
    """Bits of a weight of that projection."""
    return scheme.lm_head_weight_bits if projection == "lm_head" else scheme.weight_bits


def projection_dims(projection: str, model: ModelConfig) -> tuple[int, int]:
    """(d_in, d_out) of a projection; lm_head with its padded rows."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    return {
        "q": (d, q), "k": (d, kv), "v": (d, kv), "o": (q, d), "gate": (d, ff), "up": (d, ff), "down": (ff, d),
        "lm_head": (d, model.padded_vocab_size),
    }[projection]  # fmt: skip


def engine_calls(
    modules: DecodeModules, model: ModelConfig, *, on_chip: bool
) -> list[tuple[tuple[DecodeProjection, ...], int, int]]:
    """Calls of a layer and of the head whose weights stay on the chip, or whose weights do not: projections, d_in, d_out.

    K and V are one call of both their channels where one engine does both; each call is padded to whole passes.
    """
    fused = any({"k", "v"} <= set(group) for group in modules.linear_groups)
    together: tuple[tuple[DecodeProjection, ...], ...] = (("k", "v"),) if fused else (("k",), ("v",))
    calls = []
    for names in (*together, ("q",), ("o",), ("gate",), ("up",), ("down",), ("lm_head",)):
        here: tuple[DecodeProjection, ...] = tuple(n for n in names if (n in modules.on_chip_projections) == on_chip)
        if here:
            d_in, d_out = projection_dims(here[0], model)
            calls.append((here, d_in, len(here) * d_out))
    return calls
