"""Which HMT plug-ins fit around which prefill kernels; each rule over a batch, as in `spec.legality`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spec.design_batch import PrefillBatch
from spec.hmt import HmtPlugin
from spec.legality import Rule
from spec.memory_map import PortRole
from spec.model_config import ModelConfig

SOFTMAX_UNROLL = 4  # partial sums of the fp32 engine and of the softmax (FlexLLM PE.h, Softmax.h)
FP32_BITS = 32


def hmt_rules(batch: PrefillBatch, hmt: HmtPlugin, model: ModelConfig, tokens: int) -> Iterator[Rule]:
    """Rules of the plug-in for a prompt of `tokens` prefilled tokens."""
    n = len(batch)

    def rule(
        constraint: str, where: str, demand: npt.ArrayLike, bound: npt.ArrayLike, unit: str, message: str, *levers: str
    ) -> Rule:
        def column(value: npt.ArrayLike) -> npt.NDArray[np.float64]:
            return np.broadcast_to(np.asarray(value, dtype=np.float64), (n,))

        return Rule(constraint, where, column(demand), column(bound), unit, message, levers)

    step = np.lcm(np.maximum(batch.token_parallelism, batch.key_parallelism), SOFTMAX_UNROLL)
    yield rule(
        "hmt_window_blocks", "hmt.window_multiple", hmt.window_multiple % step, 0, "remainder",
        "a window must be whole blocks of tokens and of keys: the buffer before QK waits for the rest of a key block "
        "while the softmax waits for all scores, and neither moves again",
        "set window_multiple to a multiple of token_parallelism, key_parallelism and 4", "lower key_parallelism",
    )  # fmt: skip
    lanes = hmt.block_parallelism * hmt.weight_parallelism
    for name, dim in (("hidden_dim", model.hidden_dim), ("memories", hmt.memories)):
        yield rule(
            "hmt_lanes", "hmt.weight_parallelism", dim % max(lanes, SOFTMAX_UNROLL), 0, "remainder",
            f"block_parallelism x weight_parallelism of the plug-in must divide {name} = {dim}: its engine has no "
            "stage that drops surplus channels",
            "lower hmt.weight_parallelism", "lower hmt.block_parallelism",
        )  # fmt: skip
    yield rule(
        "hmt_even_lanes", "hmt.weight_parallelism", hmt.weight_parallelism % 2, 0, "remainder",
        "weight_parallelism of the plug-in must be even: its elements compute pairs of products",
        "use an even hmt.weight_parallelism",
    )  # fmt: skip
    yield rule(
        "hmt_segments", "hmt.max_segments", hmt.segments(tokens), hmt.max_segments, "segments",
        "the prompt has more segments than the plug-in counts",
        "shorten the prompt", "raise max_segments", "raise segment_tokens",
    )  # fmt: skip
    column = batch.placements.role("hmt_weights")
    ports = batch.placements.ports[:, column][batch.placement]
    yield rule(
        "hmt_port_per_block", "prefill.hmt_weights", np.abs(ports - hmt.block_parallelism), 0, "ports",
        "hmt_weights needs one port for each of hmt.block_parallelism", "match the memory map to block_parallelism",
    )  # fmt: skip
    widths: tuple[tuple[PortRole, int], ...] = (
        ("hmt_weights", hmt.weight_parallelism),
        ("hmt_io", hmt.block_parallelism),
    )
    for role, role_lanes in widths:
        width = batch.placements.width_bits[:, batch.placements.role(role)][batch.placement]
        yield rule(
            "port_feeds_lanes", f"prefill.{role}", role_lanes * FP32_BITS, width, "bits",
            f"a port of {role} must deliver a value to each of its lanes every cycle",
            "widen the port in the memory map", "lower the parallelism of the plug-in",
        )  # fmt: skip
