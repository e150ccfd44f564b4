"""The smallest model and design that the generator builds with ragged passes everywhere."""

from __future__ import annotations

from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.device import Device
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.spread_memory_map import spread_memory_map

# 96 and 192 channels (both 12 x a power of two, as in SmolLM2), three KV heads, a vocabulary that nothing divides.
TINY_MODEL = ModelConfig(
    name="tiny",
    title="A model for tests",
    hidden_dim=96,
    n_layers=2,
    n_q_heads=6,
    n_kv_heads=3,
    head_dim=16,
    ffn_dim=192,
    vocab_size=1001,
    max_context_tokens=128,
    tied_embeddings=True,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
)


def tiny_design(device: Device, clock_target_mhz: StageClocks) -> DesignPoint:
    """Ragged last passes everywhere; decode weight ports of 32 lanes over groups of 24, so that ports cut groups."""
    prefill = PrefillDesign(
        token_parallelism=4,
        qkvo_weight_parallelism=10,
        ffn_weight_parallelism=28,
        ffn_weight_blocks=2,
        key_parallelism=4,
        value_parallelism=4,
    )
    decode = DecodeDesign(
        block_parallelism=4,
        weight_parallelism=24,
        engine_splits=2,
        head_parallelism=3,
        key_parallelism=4,
        value_parallelism=4,
        vector_parallelism=4,
    )
    return DesignPoint(
        deployment="two_bitstreams",
        prefill=prefill,
        decode=decode,
        memory_map=spread_memory_map(prefill, decode, device, W4A4KV8, 128),
        quant_scheme=W4A4KV8,
        nonlinear_format="fp32",
        clock_target_mhz=clock_target_mhz,
    )
