"""The decoder against a Llama in float64, under every rotation, and against the golden reference of the generator."""

from __future__ import annotations

import numpy as np
import pytest

from hls_gen.golden.forward import GoldenModel
from quantize.arrays import NumpyArrays
from quantize.build_checkpoint import build_checkpoint
from quantize.checkpoint_weights import CheckpointWeights
from quantize.decoder import Decoder
from quantize.precision import Precision
from quantize.weight_bank import unquantized
from spec.quality import WidthOverride
from spec.scheme_names import scheme_named
from tests.quantize import plain_llama
from tests.quantize.tiny import ids_of, tiny_bank, tiny_model

XP = NumpyArrays()


def logits_of(bank, precision: Precision, ids: np.ndarray) -> np.ndarray:
    decoder = Decoder(XP, bank)
    return np.asarray(decoder.logits(decoder.forward(ids[None], precision)[0], precision))


@pytest.mark.parametrize("folded", ["none", "r1_r2"])
@pytest.mark.parametrize("online", ["none", "down_proj", "qk", "qk_and_down_proj"])
def test_rotations_change_nothing_of_the_unquantized_model(folded: str, online: str) -> None:
    model, ids = tiny_model(), ids_of(3, 40)
    scheme = scheme_named("w8a8kv8").model_copy(update={"online_hadamard": online})
    bank = tiny_bank(model, scheme, folded=folded)
    ours = logits_of(bank, Precision(unquantized(scheme), model.config.n_layers), ids)
    expected = plain_llama.logits(model, ids)
    assert np.abs(ours - expected).max() < 2e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    "changes",
    [
        {"tied_embeddings": True},
        {"qk_norm": True},
        {"qkv_bias": True, "output_bias": True},
        {"hidden_dim": 44, "ffn_dim": 80, "n_kv_heads": 4},  # bases 44 and 20, no grouping of queries
        {"hidden_dim": 50},  # no Hadamard matrix: a random rotation
    ],
    ids=str,
)
def test_every_kind_of_model_keeps_its_function_under_rotation(changes: dict[str, object]) -> None:
    model, ids = tiny_model(**changes), ids_of(4, 24)
    scheme = scheme_named("w8a8kv8")
    ours = logits_of(tiny_bank(model, scheme), Precision(unquantized(scheme), model.config.n_layers), ids)
    expected = plain_llama.logits(model, ids)
    assert np.abs(ours - expected).max() < 2e-4 * np.abs(expected).max()


def test_a_block_wise_transform_keeps_the_function_too() -> None:
    model, ids = tiny_model(), ids_of(4, 24)
    scheme = scheme_named("w8a8kv8").model_copy(update={"hadamard_block": 32})
    ours = logits_of(tiny_bank(model, scheme), Precision(unquantized(scheme), 3), ids)
    expected = plain_llama.logits(model, ids)
    assert np.abs(ours - expected).max() < 2e-4 * np.abs(expected).max()


def test_every_quantizer_of_a_scheme_costs_something_and_more_bits_cost_less() -> None:
    model, ids = tiny_model(), ids_of(5, 48)
    expected = plain_llama.logits(model, ids)
    bank = tiny_bank(model)

    def error(*overrides: WidthOverride) -> float:
        precision = Precision(unquantized(scheme_named("w8a8kv8")), 3, overrides)
        return float(np.abs(logits_of(bank, precision, ids) - expected).mean())

    exact = error()
    for group in ("weight.attention", "weight.gate_up", "weight.down", "weight.lm_head", "activation.attention",
                  "activation.gate_up", "activation.down", "activation.lm_head", "key", "value", "attention"):  # fmt: skip
        errors = [error(WidthOverride(group=group, bits=bits)) for bits in (8, 6, 4)]  # type: ignore[arg-type]
        assert exact < errors[0] < errors[1] < errors[2], group


def test_a_depth_touches_its_third_of_the_layers_only() -> None:
    precision = Precision(scheme_named("w8a8kv8"), 7, (WidthOverride(group="key", depth="middle", bits=4),))
    assert [precision.bits("key", i) for i in range(7)] == [8, 8, 4, 4, 8, 8, 8]


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_symmetry": "symmetric"},
        {"activation_symmetry": "symmetric", "activation_scale": "static_per_tensor"},
        {"activation_scale": "static_per_tensor"},
        {"attention_scale": "dynamic_per_token"},
        {"weight_scale": "per_tensor"},
        {"weight_scale": "per_group", "weight_group_size": 16},
        {"weight_symmetry": "asymmetric"},
        {"weight_symmetry": "asymmetric", "weight_scale": "per_group", "weight_group_size": 16},
    ],
    ids=str,
)
def test_every_kind_of_scale_comes_close_at_8_bits_and_less_close_at_4(changes: dict[str, object]) -> None:
    model, ids = tiny_model(), ids_of(6, 48)
    expected = plain_llama.logits(model, ids)
    scheme = scheme_named("w8a8kv8").model_copy(update=changes)
    bank = tiny_bank(model, scheme)
    eight = logits_of(bank, Precision(scheme, 3), ids)
    four = dict.fromkeys(("weight_bits", "activation_bits", "kv_bits", "lm_head_weight_bits"), 4)
    errors = [
        np.linalg.norm(y - expected) / np.linalg.norm(expected)
        for y in (eight, logits_of(bank, Precision(scheme.model_copy(update=four), 3), ids))
    ]
    assert errors[0] < 0.3
    assert errors[0] * 2 < errors[1]


@pytest.mark.parametrize("name", ["w8a8kv8", "w4a8kv8", "w4a4kv4"])
def test_a_checkpoint_computes_bit_for_bit_what_the_bank_computes(name: str) -> None:
    scheme = scheme_named(name)
    bank = tiny_bank(scheme=scheme, rounding="gptq")
    precision, ids = Precision(scheme, 3), ids_of(7, 32)
    weights = CheckpointWeights(build_checkpoint(bank, precision), XP)
    assert np.array_equal(logits_of(weights, precision, ids), logits_of(bank, precision, ids))


@pytest.mark.parametrize("symmetry", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("name", ["w8a8kv8", "w4a8kv4"])
def test_the_golden_reference_agrees_on_the_same_tokens(name: str, symmetry: str) -> None:
    """Both quantize alike; sums of norms, exp and rsqrt differ in the last bits, which now and then moves one integer."""
    scheme = scheme_named(name).model_copy(update={"activation_symmetry": symmetry})
    bank = tiny_bank(scheme=scheme)
    precision, ids = Precision(scheme, 3), ids_of(8, 24)
    checkpoint = build_checkpoint(bank, precision)
    ours = logits_of(CheckpointWeights(checkpoint, XP), precision, ids)
    golden = GoldenModel(checkpoint)
    theirs = np.stack([golden.decode(int(token)).logits for token in ids])
    quantization_error = np.abs(theirs - plain_llama.logits(bank.model, ids)).mean()
    assert np.abs(ours - theirs).mean() < 0.1 * quantization_error
    assert np.abs(ours[0] - theirs[0]).max() < 1e-4 * np.abs(theirs[0]).max()  # one token: nothing to accumulate
