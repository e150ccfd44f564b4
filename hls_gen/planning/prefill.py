"""The prefill kernel: five systolic arrays side by side, two calls a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from hls_gen.planning import cycle_laws
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.kernel import check_d_in, csim_channels, plan_kernel
from hls_gen.planning.ports import SCALE_PAIR_BITS, ports_of, single_port, with_csim_words
from hls_gen.planning.types import (
    CsimCase,
    LinearPlan,
    ModuleCycles,
    PortPlan,
    PrefillEnginePlan,
    PrefillPhase,
    PrefillPlan,
)
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.workload import Workload

CSIM_BLOCKS = 2  # the second block finds the state that the first left behind
OPERAND_DEPTH = 32  # an SRL of each lane, free beside its LUT
WEIGHT_DEPTH = 64  # hides the gap between two bursts
ACTIVATION_DEPTH = 32

# Engine -> (role suffix, [(linear, model field of d_in, of d_out, kernel call)]). K and V of all tokens come first,
# then the rest of the layer.
_KV_CALL, _MAIN_CALL = 0, 1
PHASES = ("kv", "main")
_ENGINES: dict[str, list[tuple[str, str, str, int]]] = {
    "kq": [("k_proj", "hidden_dim", "kv_dim", _KV_CALL), ("q_proj", "hidden_dim", "q_dim", _MAIN_CALL)],
    "vo": [("v_proj", "hidden_dim", "kv_dim", _KV_CALL), ("o_proj", "q_dim", "hidden_dim", _MAIN_CALL)],
    "gate": [("gate_proj", "hidden_dim", "ffn_dim", _MAIN_CALL)],
    "up": [("up_proj", "hidden_dim", "ffn_dim", _MAIN_CALL)],
    "down": [("down_proj", "ffn_dim", "hidden_dim", _MAIN_CALL)],
}


def _linear(name: str, d_in: int, d_out: int, width: int, restart: int) -> LinearPlan:
    csim_d_out, csim_passes = csim_channels(d_out, width)
    return LinearPlan(
        name=name,
        d_in=d_in,
        d_out=d_out,
        passes=ceil_div(d_out, width),
        csim_d_out=csim_d_out,
        csim_passes=csim_passes,
        expected_cycles=cycle_laws.systolic_cycles(d_in, d_out, width, restart),
    )


def _engine(design: DesignPoint, model: ModelConfig, name: str, restart: int) -> PrefillEnginePlan:
    is_ffn = name in ("gate", "up", "down")
    width_field = "ffn_weight_parallelism" if is_ffn else "qkvo_weight_parallelism"
    width = getattr(design.prefill, width_field)
    weights_role: PortRole = f"weights_{name}"  # type: ignore[assignment]
    scales_role: PortRole = f"scales_{name}"  # type: ignore[assignment]
    ports = ports_of(design, "prefill", weights_role)
    blocks = design.prefill.ffn_weight_blocks if is_ffn else len(ports)
    if len(ports) != blocks:
        raise InputError(
            f"{weights_role} has {len(ports)} ports for {blocks} sub-arrays",
            field="prefill.ffn_weight_blocks",
            value=blocks,
            rule=f"one weight port for each sub-array: {len(ports)}",
            hint="match ffn_weight_blocks and the ports of the memory map",
        )
    if width % (2 * blocks):
        raise InputError(
            f"{width_field} does not divide into {blocks} sub-arrays of even width",
            field=f"prefill.{width_field}",
            value=width,
            rule=f"a multiple of {2 * blocks}: weights are packed in pairs",
            hint=f"use {ceil_div(width, 2 * blocks) * 2 * blocks}",
        )
    columns = width // blocks
    if len({port.width_bits for port in ports}) != 1:
        raise InputError(
            f"the ports of {weights_role} have different widths",
            field="memory_map.ports",
            value=sorted({port.width_bits for port in ports}),
            rule="equally wide: each feeds as many columns",
            hint="use one width",
        )
    for port in ports:
        if 4 * columns > port.width_bits:
            raise InputError(
                f"port {port.name} is too narrow for the sub-array that it feeds",
                field="memory_map.ports",
                value=port.width_bits,
                rule=f"width_bits >= {4 * columns}: {columns} int4 weights a cycle",
                hint=f"widen the port or lower {width_field}",
            )
    linears = []
    for linear, d_in_field, d_out_field, _ in _ENGINES[name]:
        d_in, d_out = getattr(model, d_in_field), getattr(model, d_out_field)
        check_d_in(linear, d_in, d_in_field)
        if width > d_in:
            raise InputError(
                f"{width_field} is larger than the input of {linear}",
                field=f"prefill.{width_field}",
                value=width,
                rule=f"at most {d_in_field} = {d_in}: the results of a pass leave during the next one",
                hint=f"lower {width_field} to {d_in} or less",
            )
        linears.append(_linear(linear, d_in, d_out, width, restart))
    weight_words = max(linear.csim_passes * linear.d_in for linear in linears)
    scale_port = single_port(design, "prefill", scales_role, SCALE_PAIR_BITS)
    pairs_per_word = scale_port.width_bits // SCALE_PAIR_BITS
    scale_words = max(ceil_div(linear.csim_d_out, pairs_per_word) for linear in linears)
    return PrefillEnginePlan(
        name=name,
        weight_parallelism=width,
        sub_arrays=blocks,
        columns=columns,
        max_d_in=max(linear.d_in for linear in linears),
        max_d_out=max(linear.d_out for linear in linears),
        weight_ports=tuple(with_csim_words(port, weight_words) for port in ports),
        scale_port=with_csim_words(scale_port, scale_words),
        linears=tuple(linears),
    )


def _io_words(port: PortPlan, engines: tuple[PrefillEnginePlan, ...], phases: tuple[PrefillPhase, ...], tp: int) -> int:
    """Words of the larger of input and output over all calls."""
    vector_words = ceil_div(32 * tp, port.width_bits)
    vectors = [
        CSIM_BLOCKS * max(sum(x.d_in for x in used), sum(x.csim_d_out for x in used))
        for phase in phases
        if (used := [linear for linear in phase.linears if linear is not None])
    ]
    return vector_words * max(vectors)


def plan_prefill(design: DesignPoint, model: ModelConfig, workload: Workload, restart: int) -> PrefillPlan:
    """The prefill kernel of a legal design.

    Raises:
        InputError: the generated modules can not be built with these numbers.
    """
    engines = tuple(_engine(design, model, name, restart) for name in _ENGINES)
    phases = []
    for call, phase in enumerate(PHASES):
        linears: list[LinearPlan | None] = []
        for engine in engines:
            used = [
                linear for linear, entry in zip(engine.linears, _ENGINES[engine.name], strict=True) if entry[3] == call
            ]
            linears.append(used[0] if used else None)
        phases.append(PrefillPhase(phase, tuple(linears)))
    io_port = single_port(design, "prefill", "io")
    kernel = plan_kernel(design, "prefill", io_port)
    tp = design.prefill.token_parallelism
    io_port = with_csim_words(io_port, _io_words(io_port, engines, tuple(phases), tp))
    return PrefillPlan(
        kernel=dataclasses.replace(kernel, io_port=io_port),
        token_parallelism=tp,
        engines=engines,
        phases=tuple(phases),
        token_blocks=ceil_div(workload.prompt_tokens, tp),
        csim_blocks=CSIM_BLOCKS,
        operand_depth=OPERAND_DEPTH,
        weight_depth=WEIGHT_DEPTH,
        activation_depth=ACTIVATION_DEPTH,
        result_depth=max(engine.weight_parallelism for engine in engines),
    )


def prefill_cycles(plan: PrefillPlan, restart: int) -> Iterator[ModuleCycles]:
    """Expected cycles per token block of each module and linear layer."""
    tp = plan.token_parallelism
    for engine in plan.engines:
        for linear in engine.linears:
            width = engine.weight_parallelism
            rows = (
                ("quantize_tokens", cycle_laws.quantize_tokens_cycles(linear.d_in, tp), cycle_laws.QUANTIZE_TOKENS_LAW),
                (
                    "systolic_array",
                    cycle_laws.systolic_cycles(linear.d_in, linear.d_out, width, restart),
                    cycle_laws.SYSTOLIC_LAW,
                ),
                (
                    "dequantize_tokens",
                    cycle_laws.dequantize_tokens_cycles(linear.d_out, width, tp),
                    cycle_laws.DEQUANTIZE_TOKENS_LAW,
                ),
            )
            for module, cycles, law in rows:
                yield ModuleCycles("prefill", f"{engine.name}.{module}", linear.name, cycles, law)


def prefill_csim_cases(plan: PrefillPlan) -> Iterator[CsimCase]:
    """What C simulation compares, in the order of the kernel calls."""
    corner = 0
    for phase in plan.phases:
        for engine, linear in zip(plan.engines, phase.linears, strict=True):
            if linear is None:
                continue
            yield CsimCase(
                stage="prefill",
                module=engine.name,
                linear=linear.name,
                tokens=plan.csim_blocks * plan.token_parallelism,
                d_in=linear.d_in,
                d_out=linear.csim_d_out,
                full_d_out=linear.d_out,
                passes=linear.csim_passes,
                full_passes=linear.passes,
                first_corner=corner,
            )
            corner += 1
