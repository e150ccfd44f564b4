"""What the kernels of both stages share: names, placement, clock, cache layout, parameter sections."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.types import CacheLayout, KernelPlan, PortPlan, Section
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.hadamard import hadamard_base
from spec.model_config import ModelConfig
from spec.workload import Stage

FP32_BITS = 32
BASE_ROW_WORDS = 8  # additions in flight in a sum over the rows of a base: latency of fadd at 300 MHz (TimingTable)


def plan_kernel(design: DesignPoint, stage: Stage, ports: Iterable[PortPlan], scalars: tuple[str, ...]) -> KernelPlan:
    """Names, placement and clock of a stage's kernel.

    Raises:
        InputError: the design puts a stage's modules in several kernels.
    """
    placements = [entry for entry in design.kernels if entry.module.split(".")[0] == stage]
    whole = [entry for entry in placements if entry.module == stage]
    parts = [entry.module for entry in placements if entry.module != stage]
    if parts or len(whole) != 1:
        raise InputError(
            f"{stage} is not one kernel",
            field="kernels",
            value=parts or [entry.module for entry in whole],
            rule=f"exactly one entry for {stage}, none for parts of it: a stage is generated as one kernel",
            hint=f"keep only the entry of {stage}",
        )
    clock_mhz = getattr(design.clock_target_mhz, stage)
    return KernelPlan(
        stage=stage,
        function=stage,
        instance=f"{whole[0].kernel}_1",
        slr=whole[0].slr,
        clock_mhz=clock_mhz,
        clock_period_ns=f"{math.floor(1e6 / clock_mhz) / 1e3:.3f}",  # down: never slower than asked for
        ports=tuple(ports),
        scalars=scalars,
    )


def cache_layout(
    stage: Stage, kind: str, chunk: int, kv_bits: int, head_dim: int, port: PortPlan, tokens: int
) -> CacheLayout:
    """The numbers of `cache_layout` in kv_cache.hpp.

    Raises:
        InputError: a chunk does not fit a word of the port.
    """
    per_word = port.width_bits // (kv_bits * chunk)
    if per_word == 0:
        raise InputError(
            f"port {port.name} of {stage} is too narrow for its cache",
            field="memory_map.ports",
            value=port.width_bits,
            rule=f"width_bits >= {kv_bits * chunk}: {kind}_parallelism = {chunk} operands of {kv_bits} bits a cycle",
            hint=f"widen the port or lower {kind}_parallelism",
        )
    chunks = ceil_div(head_dim, chunk)
    words = ceil_div(chunks, per_word)
    return CacheLayout(chunk, chunks, per_word, words, words * tokens)


def sections_of(port: PortPlan, sizes: dict[str, int]) -> tuple[tuple[Section, ...], int]:
    """Sections one after the other, each from a whole word on; and the words of all."""
    per_word = port.width_bits // FP32_BITS
    sections, word = [], 0
    for name, values in sizes.items():
        sections.append(Section(name, word, values))
        word += ceil_div(values, per_word)
    return tuple(sections), word


def transform_order(design: DesignPoint, model: ModelConfig) -> int:
    """Order of one online transform before down_proj.

    Raises:
        InputError: no Hadamard matrix of that order is built.
    """
    scheme = design.quant_scheme
    order = scheme.hadamard_block or model.ffn_dim
    if not scheme.transforms_down_input:
        return order
    if model.ffn_dim % order or hadamard_base(order) is None:
        raise InputError(
            f"no Hadamard transform of order {order} for ffn_dim = {model.ffn_dim}",
            field="quant_scheme.hadamard_block",
            value=order,
            rule="a divisor of ffn_dim that is a power of two times 1, 12, 20, 28, 44, 76 or 140",
            hint="choose a block size that divides ffn_dim",
        )
    return order


def transform_lanes(order: int, lanes: int) -> int:
    """The most lanes of a transform: a power of two that divides `lanes` and the order without its base."""
    base = hadamard_base(order) or 1
    common = math.gcd(lanes, order // base)
    return common & -common


def streaming_transform_lanes(stage: Stage, order: int, width: int) -> int:
    """`width` values a cycle of a streaming transform of `order`.

    Raises:
        InputError: its power of two has fewer words of that width than an addition to a row of the base has cycles.
    """
    base = hadamard_base(order) or 1
    power = order // base
    most = power if base == 1 else max(1, power // BASE_ROW_WORDS)
    if power % width or width > most:
        raise InputError(
            f"a streaming transform of order {order} is not {width} values wide",
            field=f"{stage}.modules.hadamard_width",
            value=width,
            rule=f"a power of two up to {most}"
            + (f": a row of the base of order {base} keeps {BASE_ROW_WORDS} sums in flight" if base > 1 else ""),
            hint=f"use {most & -most if most else 1} or less",
        )
    return width


def head_transform_streams(head_dim: int) -> bool:
    """Whether heads meet a streaming transform: those whose order is a power of two. The few words of another base row
    would stall its sums.
    """
    return hadamard_base(head_dim) == 1
