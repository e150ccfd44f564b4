"""The evaluator and the golden reference of a generated project: equal but for the roundings that docs/quality.md states."""

from __future__ import annotations

import pytest

from benchmarks.hardware_decoder import compare
from benchmarks.quality import EQUALITY_SCHEMES, PUBLISHED_METHODS, PUBLISHED_ORDER, missed_bars
from quantize.arrays import NumpyArrays
from quantize.build_checkpoint import build_checkpoint
from quantize.precision import Precision
from spec.quantized_checkpoint import QuantizedCheckpoint
from spec.scheme_names import scheme_named
from tests.quantize.tiny import ids_of, tiny_bank, tiny_model

XP = NumpyArrays()
KINDS: dict[str, dict[str, object]] = {
    "r4": {},
    "r3 and r4": {"online_hadamard": "qk_and_down_proj"},
    "r3": {"online_hadamard": "qk"},
    "no transform": {"online_hadamard": "none"},
    "r4 in blocks": {"hadamard_block": 32},
    "symmetric": {"activation_symmetry": "symmetric"},
    "groups": {"weight_scale": "per_group", "weight_group_size": 16},
}


def checkpoint_of(name: str, changes: dict[str, object], **model: object) -> QuantizedCheckpoint:
    scheme = scheme_named(name).model_copy(update=changes)
    bank = tiny_bank(tiny_model(**model), scheme, rounding="gptq")
    return build_checkpoint(bank, Precision(scheme, 3))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, kind) for name in ("w4a8kv8", "w8a8kv8", "w4a4kv8") for kind in ("r4", "r3 and r4")),
        *(("w4a4kv8", kind) for kind in KINDS if kind not in ("r4", "r3 and r4")),
    ],
)
def test_with_the_hardwares_norm_transform_and_exp_every_logit_is_equal(name: str, kind: str) -> None:
    found = compare(checkpoint_of(name, KINDS[kind]), ids_of(8, 20), 16)
    assert found.golden_logits == 16 * 64
    assert found.differing_logits == 0


@pytest.mark.parametrize(
    "model", [{"qk_norm": True, "tied_embeddings": True}, {"qkv_bias": True}, {"n_kv_heads": 4}], ids=str
)
def test_so_is_every_logit_of_every_kind_of_model(model: dict[str, object]) -> None:
    found = compare(checkpoint_of("w4a8kv4", KINDS["r3 and r4"], **model), ids_of(9, 16), 16)
    assert found.differing_logits == 0


def test_an_equality_that_was_not_measured_is_a_missed_bar() -> None:
    equal = {"differing_logits": 0}
    methods = {f"{width} {name}": float(i) for width in ("W4", "W8") for i, name in enumerate(PUBLISHED_METHODS)}
    record = {
        "n": 48, "spearman": 0.99, "median_rel_error": 0.01, "lookup_s_per_design": 1e-7, "rotation_gaps": [{"ratio": 99.0}],
        "published_order": {"order": list(PUBLISHED_ORDER), "methods": methods, "methods_of": "a model"},
        "arithmetic": dict.fromkeys(EQUALITY_SCHEMES, equal),
    }  # fmt: skip
    assert missed_bars(record) == []
    first, *others = EQUALITY_SCHEMES
    [missed] = missed_bars(
        {**record, "arithmetic": {first: {"missing": "no checkpoint"}, **dict.fromkeys(others, equal)}}
    )
    assert first in missed
    assert "not measured, no checkpoint" in missed
    assert len(missed_bars({**record, "arithmetic": {name: {"differing_logits": 1} for name in EQUALITY_SCHEMES}})) == 1
