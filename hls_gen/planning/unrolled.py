"""How many operations a kernel unrolls: arrays of processing elements, attention, and the lanes of the vector modules.

Synthesis schedules each of them, and takes hours beyond some hundred thousand.
"""

from __future__ import annotations

from hls_gen.planning.types import DecodePlan, PrefillPlan
from spec.errors import InputError

MAX_UNROLLED_OPERATIONS = 100_000  # of a kernel (docs/hls_process_model.md)

# fp32 operators of a lane, counted in the headers: dequantizer 3, quantizer 4, norm 4, RoPE 6, SwiGLU 12, softmax 11,
# residual 1, scores and values 2; a butterfly of the streaming transform is one addition a value and stage.
_LANE_OPERATORS = 43


def prefill_operations(plan: PrefillPlan) -> int:
    """Operations that the prefill kernel unrolls."""
    columns = sum(engine.weight_parallelism for engine in plan.engines)
    attention = plan.key_parallelism + plan.value_parallelism
    stages = plan.transform_order.bit_length() if plan.transform_streams else 2
    # Each array has a quantizer and a dequantizer of its own.
    lanes = _LANE_OPERATORS + 7 * len(plan.engines) + stages
    # A group of the HMT plug-in's engine has a multiplier and an adder a lane, and seven adders.
    plugin = 0 if plan.hmt is None else plan.hmt.block_parallelism * (2 * plan.hmt.weight_parallelism + 7)
    return plan.token_parallelism * (columns + attention + lanes) + plugin


def decode_operations(plan: DecodePlan) -> int:
    """Operations that the decode kernel unrolls."""
    engine = plan.block_parallelism * plan.weight_parallelism
    attention = plan.head_parallelism * plan.groups * (plan.key_layout.chunk + plan.value_layout.chunk + 13)
    stages = plan.transform_order.bit_length() if plan.transform_streams else 2
    lanes = plan.block_parallelism * _LANE_OPERATORS + plan.vector_parallelism * 5 + plan.transform_lanes * stages
    return engine + attention + lanes + plan.sampler_lists * plan.max_top_k


def check_operations(prefill: PrefillPlan, decode: DecodePlan) -> None:
    """Raise for a kernel that unrolls too much.

    Raises:
        InputError: names the parameter that multiplies most.
    """
    for field, value, operations in (
        ("prefill.token_parallelism", prefill.token_parallelism, prefill_operations(prefill)),
        ("decode.weight_parallelism", decode.weight_parallelism, decode_operations(decode)),
    ):
        if operations > MAX_UNROLLED_OPERATIONS:
            raise InputError(
                f"the {field.split('.')[0]} kernel unrolls {operations} operations",
                field=field,
                value=value,
                rule=f"at most {MAX_UNROLLED_OPERATIONS} in a kernel: synthesis would not end",
                hint="lower the parallelism",
            )
