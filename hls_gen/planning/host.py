"""What the host program must know: sizes of all buffers for the whole model, and the kernels' arguments in order."""

from __future__ import annotations

from dataclasses import dataclass

from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.decode import cache_words, head_rows, weight_words
from hls_gen.planning.hmt import prompt_words
from hls_gen.planning.types import CacheLayout, DecodePlan, KernelPlan, PortPlan, PrefillPlan
from spec.model_config import ModelConfig


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port's buffer: `index` of its argument, bytes of its memory and of its image."""

    name: str
    argument: str
    index: int
    is_written: bool
    bytes: int
    image_bytes: int


@dataclass(frozen=True, slots=True)
class HostArgument:
    """An argument of a kernel as C++ sees it."""

    name: str
    type: str
    is_memory: bool


@dataclass(frozen=True, slots=True)
class HostPlan:
    """Both stages: (constant, kernel, ports, arguments); caches: (constant, layout, port, first byte). `prompt_tokens`: of the
    longest prompt that an HMT plug-in's buffer holds, all but the last.
    """

    stages: tuple[tuple[str, KernelPlan, tuple[HostPort, ...], tuple[HostArgument, ...]], ...]
    caches: tuple[tuple[str, CacheLayout, PortPlan, int], ...]
    tokens_argument: int
    prompt_tokens: int


_TYPES = {"inverse_temperature": "float"}


def _arguments(kernel: KernelPlan) -> tuple[HostArgument, ...]:
    found = []
    for port in kernel.ports:
        found.append(HostArgument(port.argument, f"{kernel.stage}_{port.name}_word", True))
        if port.is_written:
            found.append(HostArgument(f"{port.argument}_out", f"{kernel.stage}_{port.name}_word", True))
    if kernel.stage == "decode":
        found.append(HostArgument("tokens_out", "int", True))
    found += [HostArgument(name, _TYPES.get(name, "int"), False) for name in kernel.scalars]
    return tuple(found)


def _prefill_words(plan: PrefillPlan, model: ModelConfig, tokens: int) -> dict[str, tuple[int, int]]:
    """(words, words of the image) of each port for the whole model and a prompt of `tokens` prefilled tokens."""
    blocks = ceil_div(plan.max_tokens, plan.token_parallelism)
    parameters = plan.first_layer_word + model.n_layers * plan.layer_parameter_words
    words = {
        plan.io_port.name: (blocks * model.hidden_dim * plan.vector_words, 0),
        plan.parameter_port.name: (parameters, parameters),
        plan.k_port.name: (model.n_layers * model.n_kv_heads * plan.key_layout.words_per_head, 0),
        plan.v_port.name: (model.n_layers * model.n_kv_heads * plan.value_layout.words_per_head, 0),
    }
    for engine in plan.engines:
        words |= {port.name: (model.n_layers * engine.layer_weight_words,) * 2 for port in engine.weight_ports}
        words[engine.scale_port.name] = (model.n_layers * engine.layer_scale_words,) * 2
    if plan.hmt is not None:
        words[plan.hmt.io_port.name] = (prompt_words(plan.hmt, tokens), plan.hmt.prompt_word)
        words |= {port.name: (plan.hmt.port_words,) * 2 for port in plan.hmt.weight_ports}
    return words


def _decode_words(plan: DecodePlan, model: ModelConfig) -> dict[str, tuple[int, int]]:
    weights = weight_words(plan, model.n_layers, model.vocab_size)
    scales = model.n_layers * plan.layer_scale_words + ceil_div(
        head_rows(plan, model.vocab_size), plan.scale_port.width_bits // 64
    )
    norm = ceil_div(32 * model.hidden_dim, plan.parameter_port.width_bits)
    parameters = plan.first_layer_word + model.n_layers * plan.layer_parameter_words + norm
    words = {
        plan.io_port.name: (plan.state_words, 0),
        plan.parameter_port.name: (parameters, parameters),
        plan.scale_port.name: (scales, scales),
    }
    for i, port in enumerate(plan.embedding_ports):
        rows = max(0, min(plan.embedding_rows_per_port, model.vocab_size - i * plan.embedding_rows_per_port))
        words[port.name] = (rows * plan.embedding_row_words,) * 2
    words |= {port.name: (weights, weights) for port in plan.weight_ports}
    for lane in plan.head_lanes:
        for port, layout in ((lane.k_port, plan.key_layout), (lane.v_port, plan.value_layout)):
            cache = cache_words(plan, layout, model.n_layers)
            words[port.name] = (weights + cache, weights) if plan.cache_is_shared else (cache, 0)
    return words


def _ports(kernel: KernelPlan, words: dict[str, tuple[int, int]]) -> tuple[HostPort, ...]:
    index = {argument.name: i for i, argument in enumerate(_arguments(kernel))}
    return tuple(
        HostPort(
            port.name,
            port.argument,
            index[port.argument],
            port.is_written,
            *(count * port.width_bits // 8 for count in words[port.name]),
        )
        for port in kernel.ports
    )


def plan_host(prefill: PrefillPlan, decode: DecodePlan, model: ModelConfig, tokens: int) -> HostPlan:
    """Buffers and arguments of both kernels, for prompts of up to `tokens` prefilled tokens."""
    lane = decode.head_lanes[0]
    first_word = weight_words(decode, model.n_layers, model.vocab_size) if decode.cache_is_shared else 0
    return HostPlan(
        stages=(
            (
                "kPrefill",
                prefill.kernel,
                _ports(prefill.kernel, _prefill_words(prefill, model, tokens)),
                _arguments(prefill.kernel),
            ),
            ("kDecode", decode.kernel, _ports(decode.kernel, _decode_words(decode, model)), _arguments(decode.kernel)),
        ),
        caches=(
            ("kPrefillKeyCache", prefill.key_layout, prefill.k_port, 0),
            ("kPrefillValueCache", prefill.value_layout, prefill.v_port, 0),
            ("kDecodeKeyCache", decode.key_layout, lane.k_port, first_word * lane.k_port.width_bits // 8),
            ("kDecodeValueCache", decode.value_layout, lane.v_port, first_word * lane.v_port.width_bits // 8),
        ),
        tokens_argument=[argument.name for argument in _arguments(decode.kernel)].index("tokens_out"),
        prompt_tokens=tokens,
    )
