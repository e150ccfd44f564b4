"""Random legal designs over everything that the generator builds, for sweeps of the C simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hls_gen.plan import plan_project
from hls_gen.planning.types import ProjectPlan
from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.device import Device
from spec.errors import InputError
from spec.memory_map import MemoryMap, MemoryPort, PortRole
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import QuantScheme
from spec.spread_memory_map import spread_memory_map
from spec.workload import Workload

MAX_TRIES = 2000


@dataclass(frozen=True, slots=True)
class RandomProject:
    """A design that the generator accepts for `model` on `device`."""

    design: DesignPoint
    model: ModelConfig
    device: Device
    plan: ProjectPlan


def _divisors(value: int, largest: int) -> list[int]:
    return [d for d in range(1, min(value, largest) + 1) if value % d == 0]


def random_scheme(rng: np.random.Generator, number: int) -> QuantScheme:
    """Bits, symmetry and transforms that the library has modules for."""
    weight_bits, activation_bits = [(4, 4), (4, 8), (8, 8)][rng.integers(3)]
    return QuantScheme(
        name=f"random-{number}",
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        kv_bits=int(rng.choice([4, 8])),
        attention_bits=8,
        lm_head_weight_bits=weight_bits,
        activation_symmetry=str(rng.choice(["asymmetric", "symmetric"])),  # type: ignore[arg-type]
        online_hadamard=str(rng.choice(["down_proj", "none", "qk_and_down_proj"])),  # type: ignore[arg-type]
    )


def _on_weight_ports(memory_map: MemoryMap, decode: DecodeDesign) -> MemoryMap:
    """The caches of decode behind its weights, each on a port of its own."""
    lanes = 2 * decode.head_parallelism
    ports: list[MemoryPort] = []
    weights = [port for port in memory_map.ports if port.stage == "decode" and "weights" in port.roles]
    for port in memory_map.ports:
        if port.stage != "decode" or not {"weights", "k_cache", "v_cache"} & set(port.roles):
            ports.append(port)
    for i in range(max(lanes, len(weights))):
        like = weights[i % len(weights)]
        roles: tuple[PortRole, ...] = ("weights", "k_cache" if i % 2 else "v_cache") if i < lanes else ("weights",)
        ports.append(like.model_copy(update={"name": f"w_{i}", "roles": roles, "channel": i}))
    return memory_map.model_copy(update={"ports": tuple(ports)})


def _draw(rng: np.random.Generator, model: ModelConfig, device: Device, number: int) -> DesignPoint:
    scheme = random_scheme(rng, number)
    even = [2, 4, 8, 16]
    small = scheme.weight_bits <= 4 and scheme.activation_bits <= 4

    def pick(values: list[int]) -> int:
        return int(rng.choice(values))

    def choose(*values: str) -> str:
        return str(rng.choice(values))

    tp = pick([2, 4, 6, 8])
    blocks = pick([1, 2, 3])
    common = {
        "process_granularity": "array",
        "attention_pe": choose("dsp2", "dsp1", "lut"),
        "kv_read": choose("per_query_head", "per_kv_head"),
        "quantizer": choose("divider", "reciprocal"),
        "softmax": choose("serial", "pipelined"),
        "input_buffers": choose("single", "double"),
        "hadamard": choose("serial", "streaming"),
    }
    prefill = PrefillDesign(
        token_parallelism=tp,
        qkvo_weight_parallelism=2 * pick(list(range(2, 20))),
        ffn_weight_parallelism=2 * blocks * pick(list(range(2, 16))),
        ffn_weight_blocks=blocks,
        key_parallelism=pick([k for k in even if k % tp == 0 or tp % k == 0]),
        value_parallelism=pick([v for v in even if model.head_dim % v == 0]),
        modules=PrefillModules.model_validate(
            {
                **common,
                "linear_pe": choose("dsp2", "dsp1", "lut", *(("dsp4",) if small else ())),
                "attention_mask": choose("full", "causal_skip"),
            }
        ),
    )
    inputs = math.gcd(math.gcd(model.hidden_dim, model.q_dim), model.ffn_dim)
    decode = DecodeDesign(
        block_parallelism=pick(_divisors(inputs, 32)),
        weight_parallelism=2 * pick(list(range(2, 25))),
        engine_splits=1,
        head_parallelism=pick(_divisors(model.n_kv_heads, 8)),
        key_parallelism=pick(even),
        value_parallelism=pick([v for v in even if model.head_dim % v == 0]),
        vector_parallelism=pick(_divisors(model.hidden_dim, 16)),
        modules=DecodeModules.model_validate(
            {
                **common,
                "linear_pe": choose("dsp2", "dsp1", "lut"),
                "dequantizer": "pipelined",
                "hadamard_width": pick([1, 2, 4]) if common["hadamard"] == "streaming" else 1,
            }
        ),
    )
    splits = pick(_divisors(decode.block_parallelism, 4))
    runs_ahead = bool(rng.integers(2))
    buffers = {"weight_buffer_beats": pick([16, 64]) if runs_ahead else 0}
    decode = decode.model_copy(update={"engine_splits": splits, "modules": decode.modules.model_copy(update=buffers)})
    memory_map = spread_memory_map(prefill, decode, device, scheme, pick([64, 128, 256]))
    if runs_ahead and rng.integers(2):
        memory_map = _on_weight_ports(memory_map, decode)
    return DesignPoint(
        deployment=choose("two_bitstreams", "co_resident", "two_cards"),  # type: ignore[arg-type]
        prefill=prefill,
        decode=decode,
        memory_map=memory_map,
        quant_scheme=scheme,
        nonlinear_format="bf16" if number % 4 == 3 else "fp32",
        clock_target_mhz=StageClocks(prefill=250, decode=250),
    )


def random_project(rng: np.random.Generator, model: ModelConfig, device: Device, number: int = 0) -> RandomProject:
    """The first of a series of random designs that is legal and that the generator builds.

    Raises:
        InputError: none in MAX_TRIES is.
    """
    workload = Workload(prompt_tokens=16, output_tokens=4)
    last: InputError | None = None
    for _ in range(MAX_TRIES):
        try:
            design = _draw(rng, model, device, number)
            return RandomProject(design, model, device, plan_project(design, model, device, workload, number))
        except InputError as error:
            last = error
    assert last is not None
    raise last


def sweep_models() -> tuple[ModelConfig, ...]:
    """Small models with odd dimensions and every option, and the widths of Llama-3.2-1B on one layer."""

    def model(
        name: str, hidden: int, heads: int, kv_heads: int, head_dim: int, ffn: int, **options: Any
    ) -> ModelConfig:
        return ModelConfig(
            name=name,
            title="A model of the sweep",
            hidden_dim=hidden,
            n_layers=2,
            n_q_heads=heads,
            n_kv_heads=kv_heads,
            head_dim=head_dim,
            ffn_dim=ffn,
            vocab_size=1001,
            max_context_tokens=128,
            tied_embeddings=True,
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            **options,
        )

    llama = ModelConfig(
        name="llama-3.2-1b-reduced",
        title="Llama-3.2-1B's widths on one layer",
        hidden_dim=2048,
        n_layers=1,
        n_q_heads=32,
        n_kv_heads=8,
        head_dim=64,
        ffn_dim=8192,
        vocab_size=4001,
        max_context_tokens=128,
        tied_embeddings=True,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
    )
    small = (
        model("odd-gqa", 96, 6, 3, 16, 192),
        model("odd-bias", 80, 4, 2, 20, 160, qkv_bias=True),
        model("odd-qk-norm", 64, 4, 4, 32, 112, qk_norm=True),
        model("odd-heads", 120, 10, 5, 12, 240),
        model("odd-single-kv", 72, 6, 1, 24, 144),
    )
    return (*small, *small[:4], llama)
