"""The prefill kernel: five systolic arrays in a pipeline over token blocks, and the modules between them."""

from __future__ import annotations

from collections.abc import Iterator

from hls_gen.planning import cycle_laws
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.hmt import SCALARS as HMT_SCALARS
from hls_gen.planning.hmt import hmt_cycles, plan_hmt
from hls_gen.planning.kernel import (
    cache_layout,
    head_transform_streams,
    plan_kernel,
    sections_of,
    streaming_transform_lanes,
    transform_order,
)
from hls_gen.planning.ports import SCALE_PAIR_BITS, ports_of, single_port
from hls_gen.planning.types import (
    CacheLayout,
    LinearPlan,
    ModuleCycles,
    PortPlan,
    PrefillEnginePlan,
    PrefillPlan,
)
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.fifo_depths import fifo_depths
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.workload import Workload

SCALARS = ("tokens", "layers")

# Engine -> its projections with the model fields of input and output.
ENGINES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "kq": (("k", "hidden_dim", "kv_dim"), ("q", "hidden_dim", "q_dim")),
    "vo": (("v", "hidden_dim", "kv_dim"), ("o", "q_dim", "hidden_dim")),
    "gate": (("gate", "hidden_dim", "ffn_dim"),),
    "up": (("up", "hidden_dim", "ffn_dim"),),
    "down": (("down", "ffn_dim", "hidden_dim"),),
}


def _engine(design: DesignPoint, model: ModelConfig, name: str) -> PrefillEnginePlan:
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
    bits = design.quant_scheme.weight_bits
    if bits * columns > ports[0].width_bits:
        raise InputError(
            f"port {ports[0].name} is too narrow for the sub-array that it feeds",
            field="memory_map.ports",
            value=ports[0].width_bits,
            rule=f"width_bits >= {bits * columns}: {columns} weights of {bits} bits a cycle",
            hint=f"widen the port or lower {width_field}",
        )
    scale_port = single_port(design, "prefill", scales_role, SCALE_PAIR_BITS)
    pairs_per_word = scale_port.width_bits // SCALE_PAIR_BITS
    linears, weight_word, scale_word = [], 0, 0
    for linear, d_in_field, d_out_field in ENGINES[name]:
        d_in, d_out = getattr(model, d_in_field), getattr(model, d_out_field)
        if width > d_in:
            raise InputError(
                f"{width_field} is larger than the input of {linear}_proj",
                field=f"prefill.{width_field}",
                value=width,
                rule=f"at most {d_in_field} = {d_in}: the results of a pass leave during the next one",
                hint=f"lower {width_field} to {d_in} or less",
            )
        passes = ceil_div(d_out, width)
        linears.append(LinearPlan(linear, (linear,), d_in, d_out, passes, weight_word, scale_word))
        weight_word += passes * d_in
        scale_word += ceil_div(d_out, pairs_per_word)
    return PrefillEnginePlan(
        name=name,
        weight_parallelism=width,
        sub_arrays=blocks,
        columns=columns,
        max_d_in=max(linear.d_in for linear in linears),
        weight_ports=ports,
        scale_port=scale_port,
        linears=tuple(linears),
        layer_weight_words=weight_word,
        layer_scale_words=scale_word,
    )


def _layout(kind: str, lanes: int, kv_bits: int, head_dim: int, port: PortPlan, tokens: int) -> CacheLayout:
    """The layout of a cache that attention takes `lanes` channels of at once: of so many a beat, or of as many as a narrower
    port brings (legality: whole beats make a word of attention).
    """
    return cache_layout("prefill", kind, min(lanes, port.width_bits // kv_bits), kv_bits, head_dim, port, tokens)


def plan_prefill(design: DesignPoint, model: ModelConfig, workload: Workload, max_tokens: int) -> PrefillPlan:
    """The prefill kernel of a legal design.

    Raises:
        InputError: the generated modules can not be built with these numbers.
    """
    prefill, modules, scheme = design.prefill, design.prefill.modules, design.quant_scheme
    tp, depths = prefill.token_parallelism, fifo_depths(modules, model)
    engines = tuple(_engine(design, model, name) for name in ENGINES)
    io_port = single_port(design, "prefill", "io")
    parameter_port = single_port(design, "prefill", "norm_weights")
    k_port, v_port = single_port(design, "prefill", "k_cache"), single_port(design, "prefill", "v_cache")
    groups = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    sizes = {"gamma_1": model.hidden_dim, "gamma_2": model.hidden_dim}
    if model.qkv_bias:
        sizes |= {"k_bias": model.kv_dim, "q_bias": model.q_dim, "v_bias": model.kv_dim}
    if model.qk_norm:
        sizes |= {"k_gamma": model.head_dim, "q_gamma": model.head_dim}
    sizes |= {
        "k_inverse": model.n_kv_heads,
        "v_inverse": model.n_kv_heads,
        "q_inverse": model.n_q_heads,
        "score_factors": model.n_q_heads,
        "value_scales": model.n_kv_heads * (model.gqa_group // groups),
    }
    sections, layer_parameter_words = sections_of(parameter_port, sizes)
    rope_row_words = ceil_div(32 * model.head_dim, parameter_port.width_bits)
    order = transform_order(design, model)
    streams = modules.hadamard == "streaming" and scheme.transforms_down_input
    if streams:
        streaming_transform_lanes("prefill", order, modules.hadamard_width)
    weight_ports = tuple(port for engine in engines for port in (*engine.weight_ports, engine.scale_port))
    hmt = plan_hmt(design, model, io_port)
    hmt_ports = () if hmt is None else (hmt.io_port, *hmt.weight_ports)
    ports = (io_port, parameter_port, *weight_ports, k_port, v_port, *hmt_ports)
    return PrefillPlan(
        kernel=plan_kernel(design, "prefill", ports, SCALARS if hmt is None else SCALARS + HMT_SCALARS),
        token_parallelism=tp,
        engines=engines,
        linear_pe=modules.linear_pe,
        attention_pe=modules.attention_pe,
        quotient="reciprocal" if modules.quantizer == "reciprocal" else "divide",
        groups=groups,
        causal_skip=modules.attention_mask == "causal_skip",
        input_fill="during_first_pass" if modules.input_buffers == "double" else "before_first_pass",
        softmax_is_pipelined=modules.softmax == "pipelined",
        transform_order=order,
        transform_streams=streams,
        head_transform_streams=head_transform_streams(model.head_dim),
        io_port=io_port,
        parameter_port=parameter_port,
        k_port=k_port,
        v_port=v_port,
        key_parallelism=prefill.key_parallelism,
        value_parallelism=prefill.value_parallelism,
        key_layout=_layout("key", prefill.key_parallelism, scheme.kv_bits, model.head_dim, k_port, max_tokens),
        value_layout=_layout("value", prefill.value_parallelism, scheme.kv_bits, model.head_dim, v_port, max_tokens),
        sections=sections,
        layer_parameter_words=layer_parameter_words,
        rope_row_words=rope_row_words,
        first_layer_word=max_tokens * rope_row_words,
        vector_words=ceil_div(32 * tp, io_port.width_bits),
        max_tokens=max_tokens,
        token_blocks=ceil_div(workload.prompt_tokens - 1, tp),
        residual_depth=depths.residual,
        quantizer_depth=depths.quantizer,
        operand_depth=depths.operand,
        weight_depth=depths.weight,
        vector_depth=depths.vector,
        cache_depth=depths.cache,
        hmt=hmt,
    )


def prefill_cycles(plan: PrefillPlan, restart: int) -> Iterator[ModuleCycles]:
    """Expected cycles per token block of each module and linear layer; of the HMT plug-in per step."""
    if plan.hmt is not None:
        hidden_dim = plan.engines[0].linears[0].d_in
        yield from hmt_cycles(plan.hmt, hidden_dim, plan.token_parallelism, restart)
    tp, overlaps = plan.token_parallelism, plan.input_fill == "during_first_pass"
    for engine in plan.engines:
        for linear in engine.linears:
            width = engine.weight_parallelism
            rows = (
                (
                    "quantize_dynamic",
                    cycle_laws.quantize_tokens_cycles(linear.d_in, tp),
                    cycle_laws.QUANTIZE_TOKENS_LAW,
                ),
                (
                    "systolic_array",
                    cycle_laws.systolic_cycles(linear.d_in, linear.d_out, width, restart, overlaps),
                    cycle_laws.SYSTOLIC_OVERLAPPED_LAW if overlaps else cycle_laws.SYSTOLIC_LAW,
                ),
                (
                    "dequantize_tokens",
                    cycle_laws.dequantize_tokens_cycles(linear.d_out, width, tp),
                    cycle_laws.DEQUANTIZE_TOKENS_LAW,
                ),
            )
            for module, cycles, law in rows:
                yield ModuleCycles("prefill", f"{engine.name}.{module}", linear.name, cycles, law)
