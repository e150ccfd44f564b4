"""The decode kernel: one GEMV engine that every linear layer uses in turn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from hls_gen.planning import cycle_laws
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.kernel import check_d_in, csim_channels, plan_kernel
from hls_gen.planning.ports import SCALE_PAIR_BITS, ports_of, single_port, with_csim_words
from hls_gen.planning.types import CsimCase, DecodePlan, LaneUnitPlan, LinearPlan, ModuleCycles
from spec.design_point import DecodeDesign, DesignPoint
from spec.errors import InputError
from spec.model_config import ModelConfig

CSIM_TOKENS = 3  # a typical one, a corner case, and one that finds the state that they left behind
OPERAND_DEPTH = 32  # an SRL of each bit, free beside its LUT
WEIGHT_DEPTH = 64  # hides the gap between two bursts
ACTIVATION_DEPTH = 32
MODULE = "gemv"


def _layers(model: ModelConfig) -> Iterator[tuple[str, str, int]]:
    """(linear, model field of d_in, d_out) in the order of a token's way; K and V are one call."""
    yield "kv_proj", "hidden_dim", 2 * model.kv_dim
    yield "q_proj", "hidden_dim", model.q_dim
    yield "o_proj", "q_dim", model.hidden_dim
    yield "gate_proj", "hidden_dim", model.ffn_dim
    yield "up_proj", "hidden_dim", model.ffn_dim
    yield "down_proj", "ffn_dim", model.hidden_dim
    yield "lm_head", "hidden_dim", model.padded_vocab_size


def _linears(decode: DecodeDesign, model: ModelConfig, restart: int) -> tuple[LinearPlan, ...]:
    tb, w = decode.block_parallelism, decode.weight_parallelism
    linears = []
    for name, d_in_field, d_out in _layers(model):
        d_in = getattr(model, d_in_field)
        check_d_in(name, d_in, d_in_field)
        if d_in % tb:
            raise InputError(
                f"block_parallelism does not divide the input of {name}",
                field="decode.block_parallelism",
                value=tb,
                rule=f"a divisor of {d_in_field} = {d_in}: the input lies in as many banks",
                hint=f"use {math.gcd(tb, d_in)}",
            )
        if w > d_in:
            raise InputError(
                f"weight_parallelism is larger than the input of {name}",
                field="decode.weight_parallelism",
                value=w,
                rule=f"at most {d_in_field} = {d_in}: the results of a pass leave during the next one",
                hint=f"lower weight_parallelism to {d_in} or less",
            )
        rows = ceil_div(d_out, tb)  # surplus channels of the last group have scale and weights 0
        csim_rows, csim_passes = csim_channels(rows, w)
        linears.append(
            LinearPlan(
                name=name,
                d_in=d_in,
                d_out=rows * tb,
                passes=ceil_div(rows, w),
                csim_d_out=csim_rows * tb,
                csim_passes=csim_passes,
                expected_cycles=cycle_laws.gemv_cycles(d_in, rows * tb, tb, w, restart),
            )
        )
    return tuple(linears)


def _lane_units(decode: DecodeDesign, n_ports: int, width_bits: int) -> tuple[int, int]:
    """(units per port, lanes of a unit): as few units as give each part of the engine whole units."""
    lanes = decode.block_parallelism * decode.weight_parallelism
    units_per_port = decode.engine_splits // math.gcd(decode.engine_splits, n_ports)
    units = n_ports * units_per_port
    if lanes % (2 * units):
        raise InputError(
            f"the {lanes} lanes of the decode engine do not divide into {units} lane units of even width",
            field="decode.weight_parallelism",
            value=decode.weight_parallelism,
            rule=f"block_parallelism x weight_parallelism is a multiple of {2 * units} "
            f"({n_ports} weight ports, {decode.engine_splits} engine_splits)",
            hint="change weight_parallelism, engine_splits or the number of weight ports",
        )
    if 4 * lanes // n_ports > width_bits:
        raise InputError(
            "the weight ports are too narrow for the lanes that they feed",
            field="memory_map.ports",
            value=width_bits,
            rule=f"width_bits >= {4 * lanes // n_ports}: {lanes // n_ports} int4 weights a cycle and port",
            hint="widen the ports, add ports, or lower the parallelism",
        )
    return units_per_port, lanes // units


def _unit_groups(weight_parallelism: int, unit_lanes: int) -> int:
    """The most groups that a unit touches; `groups_of_unit` of the library's gemv.hpp."""
    if unit_lanes % weight_parallelism == 0:
        return unit_lanes // weight_parallelism
    last_offset = weight_parallelism - math.gcd(weight_parallelism, unit_lanes)
    return ceil_div(last_offset + unit_lanes, weight_parallelism)


def plan_decode(design: DesignPoint, model: ModelConfig, restart: int) -> DecodePlan:
    """The decode kernel of a legal design.

    Raises:
        InputError: the generated modules can not be built with these numbers.
    """
    decode = design.decode
    tb, w = decode.block_parallelism, decode.weight_parallelism
    linears = _linears(decode, model, restart)
    ports = ports_of(design, "decode", "weights")
    if len({port.width_bits for port in ports}) != 1:
        raise InputError(
            "the weight ports of decode have different widths",
            field="memory_map.ports",
            value=sorted({port.width_bits for port in ports}),
            rule="all ports of role weights are equally wide: each feeds as many lanes",
            hint="use one width",
        )
    units_per_port, unit_lanes = _lane_units(decode, len(ports), ports[0].width_bits)
    n_units = len(ports) * units_per_port
    units_per_split = n_units // decode.engine_splits
    units = tuple(
        LaneUnitPlan(
            index=i,
            group_offset=i * unit_lanes % w,
            port=i // units_per_port,
            port_unit=i % units_per_port,
            split=i // units_per_split,
            split_unit=i % units_per_split,
        )
        for i in range(n_units)
    )
    weight_words = max(linear.csim_passes * linear.d_in for linear in linears)
    scale_port = single_port(design, "decode", "scales", SCALE_PAIR_BITS)
    pairs_per_word = scale_port.width_bits // SCALE_PAIR_BITS
    scale_words = max(ceil_div(linear.csim_d_out, pairs_per_word) for linear in linears)
    io_port = single_port(design, "decode", "io")
    kernel = plan_kernel(design, "decode", io_port)
    vectors = max(max(linear.d_in, linear.csim_d_out) for linear in linears) // tb
    io_port = with_csim_words(io_port, CSIM_TOKENS * vectors * ceil_div(32 * tb, io_port.width_bits))
    return DecodePlan(
        kernel=dataclasses.replace(kernel, io_port=io_port),
        block_parallelism=tb,
        weight_parallelism=w,
        engine_splits=decode.engine_splits,
        unit_lanes=unit_lanes,
        unit_groups=_unit_groups(w, unit_lanes),
        units=units,
        units_per_port=units_per_port,
        units_per_split=units_per_split,
        pairs=math.gcd(pairs_per_word, tb),
        max_d_in=max(linear.d_in for linear in linears),
        max_d_out=max(linear.d_out for linear in linears),
        weight_ports=tuple(with_csim_words(port, weight_words) for port in ports),
        scale_port=with_csim_words(scale_port, scale_words),
        linears=linears,
        csim_tokens=CSIM_TOKENS,
        operand_depth=OPERAND_DEPTH,
        weight_depth=WEIGHT_DEPTH,
        activation_depth=ACTIVATION_DEPTH,
        result_depth=w,
    )


def decode_cycles(plan: DecodePlan, restart: int) -> Iterator[ModuleCycles]:
    """Expected cycles per token of each module and linear layer."""
    tb, w = plan.block_parallelism, plan.weight_parallelism
    for linear in plan.linears:
        rows = (
            ("quantize_vector", cycle_laws.quantize_vector_cycles(linear.d_in, tb), cycle_laws.QUANTIZE_VECTOR_LAW),
            (MODULE, cycle_laws.gemv_cycles(linear.d_in, linear.d_out, tb, w, restart), cycle_laws.GEMV_LAW),
            (
                "dequantize_vector",
                cycle_laws.dequantize_vector_cycles(linear.d_out, tb, w, plan.pairs),
                cycle_laws.DEQUANTIZE_VECTOR_LAW,
            ),
        )
        for module, cycles, law in rows:
            yield ModuleCycles("decode", module, linear.name, cycles, law)


def decode_csim_cases(plan: DecodePlan) -> Iterator[CsimCase]:
    """What C simulation compares, in the order of the kernel calls."""
    for corner, linear in enumerate(plan.linears):
        yield CsimCase(
            stage="decode",
            module=MODULE,
            linear=linear.name,
            tokens=plan.csim_tokens,
            d_in=linear.d_in,
            d_out=linear.csim_d_out,
            full_d_out=linear.d_out,
            passes=linear.csim_passes,
            full_passes=linear.passes,
            first_corner=corner,
        )
