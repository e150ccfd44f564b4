"""The file of a quantized checkpoint: what is written is read, and anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from quantize.build_checkpoint import build_checkpoint
from quantize.precision import Precision
from spec.errors import InputError
from spec.quality import WidthOverride
from spec.quantized_checkpoint import (
    WEIGHTS_FILE,
    QuantizedCheckpoint,
    content_sha256,
    linear_names,
    load_checkpoint,
    read_header,
    save_checkpoint,
)
from spec.scheme_names import scheme_named
from tests.quantize.tiny import tiny_bank, tiny_model


def built(name: str = "w4a8kv8", **changes: object) -> QuantizedCheckpoint:
    bank = tiny_bank(tiny_model(**changes), scheme_named(name), rounding="gptq")
    return build_checkpoint(bank, Precision(scheme_named(name), 3))


@pytest.mark.parametrize("changes", [{}, {"tied_embeddings": True, "qk_norm": True}, {"qkv_bias": True}], ids=str)
def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path, changes: dict[str, object]) -> None:
    checkpoint = built(**changes)
    save_checkpoint(tmp_path / "deep" / WEIGHTS_FILE, checkpoint.header, checkpoint.tensors)
    loaded = load_checkpoint(tmp_path / "deep")
    assert loaded.header == checkpoint.header == read_header(tmp_path / "deep" / WEIGHTS_FILE)
    assert loaded.tensors.keys() == checkpoint.tensors.keys()
    for name, array in checkpoint.tensors.items():
        assert loaded[name].dtype == array.dtype
        assert np.array_equal(loaded[name], array)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [WEIGHTS_FILE]


def test_the_header_says_what_is_folded_and_what_the_hardware_has_to_do() -> None:
    header = built().header
    assert header.folded_rotations == ("r1", "r2")
    assert header.online_rotations == ("r4",)
    assert header.norms_folded
    assert set(header.weight_bits.values()) == {4}
    assert set(header.weight_bits) == set(linear_names(header.model))


def test_mixed_precision_is_in_the_header_and_in_the_integers() -> None:
    scheme = scheme_named("w4a8kv8")
    overrides = (
        WidthOverride(group="weight.down", depth="first", bits=6),
        WidthOverride(group="weight.lm_head", bits=8),
    )
    checkpoint = build_checkpoint(tiny_bank(scheme=scheme), Precision(scheme, 3, overrides))
    assert checkpoint.header.weight_bits["layers.0.mlp.down_proj"] == 6
    assert checkpoint.header.weight_bits["layers.1.mlp.down_proj"] == 4
    assert np.abs(checkpoint["layers.0.mlp.down_proj.weight"]).max() > 7
    assert np.abs(checkpoint["lm_head.weight"]).max() == 127


def damaged(tmp_path: Path, change: str) -> Path:
    checkpoint = built()
    path = tmp_path / WEIGHTS_FILE
    save_checkpoint(path, checkpoint.header, checkpoint.tensors)
    tensors = load_file(path)
    name = "layers.1.mlp.up_proj"
    metadata = {"flexdse": checkpoint.header.model_dump_json(by_alias=True)}
    match change:
        case "missing":
            del tensors[f"{name}.weight"]
        case "shape":
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"][:-1]
        case "type":
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"].astype(np.int16)
        case "range":
            tensors[f"{name}.weight"] = tensors[f"{name}.weight"].copy()
            tensors[f"{name}.weight"][0, 0] = 8
        case "row sum":
            tensors[f"{name}.row_sum"] = tensors[f"{name}.row_sum"] * np.float32(1.0001)
        case "groups":
            tensors[f"{name}.scale"] = np.repeat(tensors[f"{name}.scale"], 5, axis=1)
        case "nan":
            tensors["norm.weight"] = tensors["norm.weight"] * np.float32(np.nan)
        case "unknown":
            tensors["extra"] = np.zeros(1, dtype=np.float32)
        case "altered":
            tensors["embed_tokens.weight"] = tensors["embed_tokens.weight"] + np.float32(1)
        case "no header":
            metadata = {}
    save_file(tensors, path, metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "'layers.1.mlp.up_proj.weight' is missing"),
        ("shape", "another shape or type"),
        ("type", "another shape or type"),
        ("range", "leave their range"),
        ("row sum", "row sums of 'layers.1.mlp.up_proj'"),
        ("groups", "5 groups do not divide"),
        ("nan", "NaN or infinity"),
        ("unknown", "unknown tensor 'extra'"),
        ("altered", "not those that the header was written for"),
        ("no header", "not a quantized checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_checkpoint(damaged(tmp_path, change))


def test_a_file_that_is_none_or_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path / "nowhere.safetensors")
    path = damaged(tmp_path, "nothing")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(path)


def test_the_hash_does_not_depend_on_the_order_of_tensors() -> None:
    tensors = built().tensors
    assert content_sha256(tensors) == content_sha256(dict(reversed(tensors.items())))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_bits": 12}, "too wide"),
        ({"weight_symmetry": "asymmetric"}, "asymmetric weights"),
        ({"activation_bits": 16}, "stands for floating point"),
        ({"attention_scale": "dynamic_per_token"}, "dynamic attention scales"),
        ({"activation_scale": "static_per_tensor", "activation_symmetry": "symmetric"}, "static activation scales"),
    ],
)
def test_schemes_that_the_file_cannot_hold_are_refused(changes: dict[str, object], message: str) -> None:
    scheme = scheme_named("w8a8kv8").model_copy(update=changes)
    with pytest.raises(InputError, match=message):
        build_checkpoint(tiny_bank(scheme=scheme), Precision(scheme, 3))


def test_gptq_by_group_is_kept_as_it_is_and_projections_of_one_input_have_grids_of_their_own(tmp_path: Path) -> None:
    by_group = {"weight_scale": "per_group", "weight_group_size": 16}
    for update, shape in ((by_group, (32, 3)), ({"weight_scale": "per_tensor"}, (32, 1))):
        scheme = scheme_named("w4a8kv8").model_copy(update=update)
        bank = tiny_bank(scheme=scheme, rounding="gptq", cache=tmp_path)
        key, value = (bank.rounded(f"layers.0.self_attn.{name}_proj", 4) for name in "kv")
        assert key.scale.shape == value.scale.shape == shape
        assert not np.array_equal(key.scale, value.scale)
        again = tiny_bank(scheme=scheme, rounding="gptq", cache=tmp_path).rounded("layers.0.self_attn.k_proj", 4)
        assert np.array_equal(again.values(), key.values())
    odd = tiny_bank(scheme=scheme.model_copy(update=by_group | {"weight_group_size": 10}), rounding="gptq")
    with pytest.raises(InputError, match="10 channels do not divide 48"):
        odd.rounded("lm_head", 4)


def test_rounded_weights_are_found_again_on_disk(tmp_path: Path) -> None:
    """An interrupted command does not round twice; another text or seed does not find them."""
    first = tiny_bank(scheme=scheme_named("w4a8kv8"), rounding="gptq", cache=tmp_path)
    expected = first.rounded("lm_head", 4)
    said: list[str] = []
    again = tiny_bank(scheme=scheme_named("w4a8kv8"), rounding="gptq", cache=tmp_path, progress=said.append)
    assert np.array_equal(again.rounded("lm_head", 4).integers, expected.integers)
    assert not any("GPTQ" in line for line in said)
    other = tiny_bank(scheme=scheme_named("w4a8kv8"), rounding="gptq", cache=tmp_path, seed=1, progress=said.append)
    other.rounded("lm_head", 4)
    assert any("GPTQ" in line for line in said)
