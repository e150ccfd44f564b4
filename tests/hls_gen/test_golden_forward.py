"""The golden forward against a Llama written plainly in float64, and laws that it has to keep."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hls_gen.golden.attention import AttentionConstants, attention
from hls_gen.golden.forward import GoldenModel
from hls_gen.golden.projection import integer_product, project_tokens
from hls_gen.golden.quantization import Quotient, Symmetry, quantize_dynamic
from hls_gen.golden.sampling import Sampling
from hls_gen.golden.synthetic import synthetic_checkpoint
from spec.errors import InputError
from spec.hadamard_matrix import hadamard_matrix
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import QuantizedCheckpoint, QuantizedLinear, row_sums
from tests.hls_gen.exact import as_lines, fp32_rows

PROMPT = [3, 17, 1000, 5, 5, 64, 0, 999, 31, 8, 254]


def a_model(**changes: object) -> ModelConfig:
    fields: dict[str, object] = {
        "name": "tiny", "title": "A model for tests", "hidden_dim": 96, "n_layers": 3, "n_q_heads": 6, "n_kv_heads": 3,
        "head_dim": 16, "ffn_dim": 192, "vocab_size": 1001, "max_context_tokens": 128, "tied_embeddings": False,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    }  # fmt: skip
    return ModelConfig.model_validate(fields | changes)


def a_scheme(weight_bits: int, activation_bits: int, **changes: object) -> QuantScheme:
    fields: dict[str, object] = {
        "name": "test", "weight_bits": weight_bits, "activation_bits": activation_bits, "kv_bits": 8,
        "attention_bits": 8, "lm_head_weight_bits": weight_bits,
    }  # fmt: skip
    return QuantScheme.model_validate(fields | changes)


def plain_llama(checkpoint: QuantizedCheckpoint, token_ids: list[int]) -> np.ndarray:
    """Logits (tokens, vocab) in float64 of the dequantized weights: nothing else is quantized."""
    model, scheme = checkpoint.model, checkpoint.header.quant_scheme

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        layer = checkpoint.linear(name)
        groups = layer.scale.shape[1]
        weights = layer.weight.reshape(len(layer.weight), groups, -1) * layer.scale[:, :, None].astype(np.float64)
        y = x @ weights.reshape(layer.weight.shape).T
        return y if layer.bias is None else y + layer.bias

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + model.rms_norm_eps) * checkpoint[name]

    def turn(x: np.ndarray) -> np.ndarray:
        angles = np.arange(len(x))[:, None] * checkpoint["rope.inverse_frequencies"].astype(np.float64)
        rotated = np.concatenate([-x[..., model.head_dim // 2 :], x[..., : model.head_dim // 2]], axis=-1)
        both = np.concatenate([angles, angles], axis=1)[:, None, :]
        return x * np.cos(both) + rotated * np.sin(both)

    x = checkpoint["embed_tokens.weight"][token_ids].astype(np.float64)
    tokens = len(token_ids)
    mask = np.where(np.tri(tokens), 0.0, -np.inf)
    for layer in range(model.n_layers):
        prefix = f"layers.{layer}."
        h = norm(x, f"{prefix}input_layernorm.weight")
        q, k, v = (linear(h, f"{prefix}self_attn.{n}_proj").reshape(tokens, -1, model.head_dim) for n in "qkv")
        if model.qk_norm:
            q, k = norm(q, f"{prefix}self_attn.q_norm.weight"), norm(k, f"{prefix}self_attn.k_norm.weight")
        q, k = turn(q), turn(k)
        k, v = (np.repeat(operand, model.gqa_group, axis=1) for operand in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(model.head_dim) + mask
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", weights, v).reshape(tokens, -1)
        x = x + linear(mixed, f"{prefix}self_attn.o_proj")
        h = norm(x, f"{prefix}post_attention_layernorm.weight")
        gate, up = linear(h, f"{prefix}mlp.gate_proj"), linear(h, f"{prefix}mlp.up_proj")
        hidden = gate / (1 + np.exp(-gate)) * up
        if scheme.transforms_down_input:
            block = scheme.hadamard_block or model.ffn_dim
            matrix = hadamard_matrix(block) / math.sqrt(block)
            hidden = (hidden.reshape(tokens, -1, block) @ matrix.T).reshape(tokens, -1)
        x = x + linear(hidden, f"{prefix}mlp.down_proj")
    return linear(norm(x, "norm.weight"), "lm_head")


def golden_logits(checkpoint: QuantizedCheckpoint, token_ids: list[int], **quotients: Quotient) -> np.ndarray:
    model = GoldenModel(checkpoint, **quotients)
    return np.stack([model.decode(token).logits for token in token_ids])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64).ravel(), b.ravel()
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


# Scheme, changes of the model, least cosine and largest relative error (L2) of the logits against float64.
SCHEMES = {
    "w16-like: attention and activations of 16 bits": (
        a_scheme(8, 16, kv_bits=16, attention_bits=16, activation_symmetry="symmetric"), {}, 0.9999999, 2e-4,
    ),
    "w8a8kv8 symmetric": (a_scheme(8, 8, activation_symmetry="symmetric"), {}, 0.9997, 0.025),
    "w8a8kv8 asymmetric": (a_scheme(8, 8), {}, 0.9997, 0.025),
    "w4a8kv8 symmetric": (a_scheme(4, 8, activation_symmetry="symmetric"), {}, 0.9997, 0.025),
    "w4a4kv8": (a_scheme(4, 4), {}, 0.975, 0.25),
    "w8a8kv4": (a_scheme(8, 8, kv_bits=4), {}, 0.975, 0.25),
    "qk-norm": (a_scheme(8, 8), {"qk_norm": True}, 0.9997, 0.025),
    "biases": (a_scheme(8, 8), {"qkv_bias": True, "output_bias": True}, 0.9997, 0.025),
    "r3 and r4": (a_scheme(8, 8, online_hadamard="qk_and_down_proj"), {}, 0.9997, 0.025),
    "no transform": (a_scheme(8, 8, online_hadamard="none"), {}, 0.9997, 0.025),
    "block-wise r4": (a_scheme(8, 8, hadamard_block=48), {}, 0.9997, 0.025),
    "groups of 32": (a_scheme(4, 8, weight_scale="per_group", weight_group_size=32), {}, 0.9997, 0.025),
    "one KV head, odd sizes": (a_scheme(8, 8), {"n_q_heads": 3, "n_kv_heads": 1, "ffn_dim": 160}, 0.9997, 0.025),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMES)
def test_golden_is_near_float64(name: str) -> None:
    scheme, changes, least_cosine, largest_error = SCHEMES[name]
    checkpoint = synthetic_checkpoint(a_model(**changes), scheme, 7, static_deviations=6)  # nothing is clipped
    truth = plain_llama(checkpoint, PROMPT)
    got = golden_logits(checkpoint, PROMPT)
    error = np.linalg.norm(got - truth) / np.linalg.norm(truth)
    assert cosine(got, truth) > least_cosine, (cosine(got, truth), error)
    assert error < largest_error, (cosine(got, truth), error)


def test_error_falls_with_every_bit() -> None:
    """Quantization is the only source of error: each step to wider operands brings the logits nearer to float64."""
    errors = []
    for activation_bits, attention_bits in ((4, 4), (6, 6), (8, 8), (16, 16)):
        scheme = a_scheme(8, activation_bits, kv_bits=attention_bits, attention_bits=attention_bits)
        checkpoint = synthetic_checkpoint(a_model(), scheme, 8, static_deviations=6)
        truth = plain_llama(checkpoint, PROMPT)
        errors.append(float(np.linalg.norm(golden_logits(checkpoint, PROMPT) - truth) / np.linalg.norm(truth)))
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 450 * errors[3], errors


def test_prefill_equals_decode_token_by_token() -> None:
    checkpoint = synthetic_checkpoint(a_model(qk_norm=True, qkv_bias=True), a_scheme(4, 8), 9)
    at_once, one_by_one, in_parts = (GoldenModel(checkpoint) for _ in range(3))
    whole = at_once.prefill(PROMPT)
    steps = [one_by_one.decode(token).trace for token in PROMPT]
    in_parts.prefill(PROMPT[:4])
    rest = in_parts.prefill(PROMPT[4:])
    for name, values in whole.items():
        if name.endswith((".scores", ".weights")):
            for t, step in enumerate(steps):
                assert np.array_equal(values[:, t : t + 1, : t + 1], step[name]), name
            if name.endswith("weights"):
                assert not values[:, 0, 1:].any(), "a masked key has a weight"
            continue
        assert np.array_equal(values, np.concatenate([step[name] for step in steps])), name
        assert np.array_equal(values[4:], rest[name]), name
    assert at_once.position == one_by_one.position == in_parts.position == len(PROMPT)


def test_generation_stops_at_a_stop_token_and_repeats_with_its_seed() -> None:
    checkpoint = synthetic_checkpoint(a_model(), a_scheme(4, 4), 10)

    def tokens(sampling: Sampling, stop: tuple[int, ...] = ()) -> list[int]:
        return [step.token for step in GoldenModel(checkpoint).generate(PROMPT, 8, sampling, stop)]

    greedy = tokens(Sampling())
    assert len(greedy) == 8
    assert tokens(Sampling(), (greedy[3],)) == greedy[: greedy.index(greedy[3]) + 1]
    model = GoldenModel(checkpoint)
    model.prefill(PROMPT[:-1])
    assert model.decode(PROMPT[-1]).token == greedy[0]
    warm = Sampling(top_k=5, inverse_temperature=0.5, seed=3)
    assert tokens(warm) == tokens(warm) != greedy


def test_reciprocal_quantizer_is_another_design_and_nearly_the_same_result() -> None:
    checkpoint = synthetic_checkpoint(a_model(), a_scheme(8, 8), 11)
    divide = golden_logits(checkpoint, PROMPT)
    reciprocal = golden_logits(checkpoint, PROMPT, decode_quotient=Quotient.RECIPROCAL)
    assert cosine(divide, reciprocal.astype(np.float64)) > 0.9999


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_scale": "static_per_tensor"},
        {"weight_symmetry": "asymmetric"},
        {"attention_scale": "dynamic_per_token"},
    ],
)
def test_modes_that_no_module_has_are_refused(changes: dict[str, str]) -> None:
    checkpoint = synthetic_checkpoint(a_model(), a_scheme(8, 8, **changes), 12)
    with pytest.raises(InputError) as refused:
        GoldenModel(checkpoint)
    assert refused.value.field == f"quant_scheme.{next(iter(changes))}"


@pytest.mark.parametrize("symmetry", Symmetry)
def test_projection_equals_plain_python(symmetry: Symmetry) -> None:
    """Two groups, and sums beyond 2^24: every operation in its order, in Python's integers and NumPy's fp32 scalars."""
    rng = np.random.default_rng(13)
    weight = rng.integers(-128, 128, (5, 3000), dtype=np.int8)
    weight[0] = 127
    scale = rng.uniform(0.001, 0.01, (5, 2)).astype(np.float32)
    bias = rng.standard_normal(5).astype(np.float32)
    x = np.abs(rng.standard_normal((2, 3000))).astype(np.float32)
    x[0] = 1
    tokens = quantize_dynamic(x, 8, symmetry)
    y = project_tokens(tokens, QuantizedLinear(weight, scale, row_sums(weight, scale), bias), symmetry)
    assert integer_product(tokens.q, weight)[0, 0] == sum(127 * int(q) for q in tokens.q[0])
    for t in range(2):
        for c in range(5):
            total = None
            for g in range(2):
                span = slice(1500 * g, 1500 * g + 1500)
                integers = [(int(a), int(b)) for a, b in zip(tokens.q[t, span], weight[c, span], strict=True)]
                term = np.float32(np.float32(sum(a * b for a, b in integers)) * tokens.scale[t]) * scale[c, g]
                if symmetry is Symmetry.ASYMMETRIC:
                    r = np.float32(np.float32(sum(b for _, b in integers)) * scale[c, g])
                    term = np.float32(term + np.float32(tokens.minimum[t] * r))
                total = term if total is None else np.float32(total + term)
            assert total is not None
            assert y[t, c] == np.float32(total + bias[c])


def attention_cases() -> list[dict[str, object]]:
    """Grouped and ungrouped queries of 6 tokens; every operand also at its extremes."""
    rng = np.random.default_rng(14)
    found = []
    for query_heads, kv_heads in ((4, 2), (3, 3)):
        q, k, v = (rng.integers(-128, 128, (6, heads, 16)) for heads in (query_heads, kv_heads, kv_heads))
        q[2], k[3], v[1], v[4] = -128, -128, -128, 127
        constants = AttentionConstants(
            q_inverse=np.ones(query_heads, np.float32),
            k_inverse=np.ones(kv_heads, np.float32),
            v_inverse=np.ones(kv_heads, np.float32),
            score_factor=rng.uniform(1e-5, 1e-4, query_heads).astype(np.float32),
            v_scale=rng.uniform(0.01, 0.1, kv_heads).astype(np.float32),
        )
        result = attention(q, k, v, constants, 8)
        found.append(
            {
                "q": q.swapaxes(0, 1).tolist(),
                "k": k.swapaxes(0, 1).tolist(),
                "v": v.swapaxes(0, 1).tolist(),
                "score_factor": fp32_rows(constants.score_factor),
                "v_scale": fp32_rows(constants.v_scale),
                "scores": fp32_rows(result.scores),
                "weights": result.weights.tolist(),
                "output": fp32_rows(np.ascontiguousarray(result.output.swapaxes(0, 1))),
            }
        )
    return found


@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("mode", ["strict", "fast"])
def test_attention_of_the_library_equals_the_golden_one(mode: str, gxx: Any, library: Path, tmp_path: Path) -> None:
    program = tmp_path / "attention"
    flags = ["-DFLEXDSE_FAST_CSIM"] if mode == "fast" else []
    compiled = gxx("-O0", *flags, library / "test" / "test_attention.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    (tmp_path / "cases").write_text(as_lines({"attention": attention_cases()}))
    finished = subprocess.run([program, tmp_path / "cases"], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert finished.stdout == "attention: ok, 2 cases\n"
