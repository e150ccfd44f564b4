"""Checkpoints and texts of users: read as they are, or refused with what is wrong with them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quantize.evaluation import NEAR_CHANCE
from quantize.float_model import FloatModel, check_nothing_left
from quantize.gguf_source import load_gguf
from quantize.hugging_face_source import load_hugging_face
from quantize.packaged import MODEL_NAME, Purpose, packaged_model, packaged_text
from quantize.rope import inverse_frequencies
from quantize.safetensors_file import read_safetensors
from quantize.sources import open_model, open_text
from quantize.tokenizers import encode, load_tokenizer
from spec.catalog import load_model
from spec.errors import InputError, UnsupportedModelError
from tests.quantize.tiny import hugging_face_name, tiny_config, tiny_model

Write = Callable[..., Path]


def assert_same(loaded: FloatModel, model: FloatModel) -> None:
    assert loaded.tensors.keys() == model.tensors.keys()
    for name, values in model.tensors.items():
        assert np.array_equal(loaded[name], values), name
    assert np.array_equal(loaded.inverse_frequencies, model.inverse_frequencies)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_a_hugging_face_folder_is_read_whole(checkpoint_folder: Write, shards: int, tied: bool) -> None:
    model = tiny_model(tied_embeddings=tied)
    assert_same(load_hugging_face(checkpoint_folder(model, shards=shards)), model)


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3.0e38, 1e-30], dtype=np.float32)
    kept = (values.view("<u4") >> 16).astype("<u2")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + kept.tobytes())
    [(name, read)] = list(read_safetensors(path))
    assert name == "a"
    assert np.array_equal(read.ravel().view("<u4"), kept.astype("<u4") << 16)


def test_what_is_wrong_with_a_folder_is_said(checkpoint_folder: Write, tmp_path: Path) -> None:
    folder = checkpoint_folder(tiny_model(), shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InputError, match=r"1 of 3 weight files are missing.*00002"):
        load_hugging_face(folder)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match="no weights in"):
        load_hugging_face(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"config\.json"):
        load_hugging_face(empty)


@pytest.mark.parametrize("name", ["layers.1.mlp.up_proj.weight", "norm.weight"])
@pytest.mark.parametrize("problem", ["lacks", "does not fit", "NaN"])
def test_a_bad_tensor_is_named(checkpoint_folder: Write, name: str, problem: str) -> None:
    model = tiny_model()
    tensors = dict(model.tensors)
    if problem == "lacks":
        del tensors[name]
    else:
        tensors[name] = tensors[name][1:] if problem == "does not fit" else tensors[name] * np.float32(np.nan)
    folder = checkpoint_folder(FloatModel(model.config, tensors, model.inverse_frequencies, model.source))
    with pytest.raises(InputError, match=f"{problem}|{name}") as caught:
        load_hugging_face(folder)
    assert caught.value.field == name


def test_another_architecture_is_refused(checkpoint_folder: Write) -> None:
    with pytest.raises(UnsupportedModelError, match="gpt2"):
        load_hugging_face(checkpoint_folder(tiny_model(), model_type="gpt2"))


def test_a_cut_off_file_is_refused(checkpoint_folder: Write) -> None:
    folder = checkpoint_folder(tiny_model())
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut short"):
        load_hugging_face(folder)
    file.write_bytes(b"no safetensors at all")
    with pytest.raises(InputError, match="not a safetensors file"):
        load_hugging_face(folder)


@pytest.mark.parametrize(
    "change", [{"shape": [-96, -48]}, {"shape": ["a", "b"]}, {"data_offsets": ["0", "4"]}, {"shape": [1.5, 2]}]
)
def test_a_broken_entry_of_a_weights_file_is_refused(checkpoint_folder: Write, change: dict[str, object]) -> None:
    file = checkpoint_folder(tiny_model()) / "model.safetensors"
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["model.layers.1.mlp.up_proj.weight"].update(change)
    raw = json.dumps(header).encode()
    file.write_bytes(len(raw).to_bytes(8, "little") + raw + content[end:])
    with pytest.raises(InputError, match=r"broken entry 'model\.layers\.1\.mlp\.up_proj\.weight'"):
        load_hugging_face(file.parent)


def test_layers_that_the_configuration_does_not_know_are_refused(checkpoint_folder: Write) -> None:
    with pytest.raises(InputError, match=r"no place for the tensor 'layers\.2\."):
        load_hugging_face(checkpoint_folder(tiny_model(), num_hidden_layers=2))


def test_biases_that_the_configuration_does_not_know_are_refused(checkpoint_folder: Write) -> None:
    with pytest.raises(InputError, match=r"no place for the tensor 'layers\.0\.self_attn\.._proj\.bias'"):
        load_hugging_face(checkpoint_folder(tiny_model(qkv_bias=True), attention_bias=False))


def test_a_frequency_table_of_an_older_checkpoint_is_passed_over() -> None:
    check_nothing_left(tiny_config(), ["layers.0.self_attn.rotary_emb.inv_freq", "visual.proj"], "here")


def test_the_current_folder_and_its_config_name_the_same_model(
    checkpoint_folder: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint_folder(tiny_model())
    monkeypatch.chdir(folder)
    named = {open_model(name).model.config.name for name in (".", "config.json", str(folder / "config.json"))}
    assert named == {folder.name}


def test_llama3_scaling_keeps_short_waves_and_stretches_long_ones(checkpoint_folder: Write) -> None:
    scaling = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}  # fmt: skip
    config = tiny_config(head_dim=64, rope_theta=500000.0, rope_scaling="llama3")
    plain = inverse_frequencies(config.model_copy(update={"rope_scaling": "none"}))
    scaled = inverse_frequencies(config, scaling)
    wavelength = 2 * np.pi / plain
    short, long = wavelength < 8192 / 4, wavelength > 8192 / 1
    assert np.array_equal(scaled[short], plain[short])
    assert np.allclose(scaled[long], plain[long] / 32, rtol=1e-6)
    between = ~short & ~long
    assert between.any()
    assert np.all((scaled[between] > plain[between] / 32) & (scaled[between] < plain[between]))
    # one value of the formula of Meta's reference code, worked out by hand
    index = int(np.flatnonzero(between)[0])
    smooth = (8192 / wavelength[index] - 1) / 3
    assert scaled[index] == pytest.approx((1 - smooth) * plain[index] / 32 + smooth * plain[index], rel=1e-6)
    loaded = load_hugging_face(checkpoint_folder(tiny_model(), rope_scaling=scaling))
    assert loaded.config.rope_scaling == "llama3"
    with pytest.raises(InputError, match="without a usable factor"):
        inverse_frequencies(config, {**scaling, "factor": 0})


def write_gguf(path: Path, model: FloatModel, architecture: str = "llama", permute: bool = True) -> None:
    """As llama.cpp's converter does: names of its own, the two halves of each head of q and k interleaved."""
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_context_tokens)
    writer.add_embedding_length(config.hidden_dim)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.n_q_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
    layer_names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, values in model.tensors.items():
        short, _, kind = name.rpartition(".")
        for part, heads in (("q_proj", config.n_q_heads), ("k_proj", config.n_kv_heads)):
            if permute and part in name:
                halves = values.reshape(heads, 2, config.head_dim // 2, -1)
                values = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
        if short.startswith("layers."):
            _, i, rest = short.split(".", 2)
            writer.add_tensor(f"blk.{i}.{layer_names[rest]}.{kind}", values)
        else:
            plain = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[short]
            writer.add_tensor(f"{plain}.{kind}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_the_same_model_as_the_folder(tmp_path: Path) -> None:
    model = tiny_model()
    write_gguf(tmp_path / "tiny.gguf", model)
    loaded = load_gguf(tmp_path / "tiny.gguf")
    assert_same(loaded, model)
    shapes = {name: getattr(model.config, name) for name in ("hidden_dim", "n_layers", "n_kv_heads", "ffn_dim")}
    assert shapes == {name: getattr(loaded.config, name) for name in shapes}
    assert loaded.config.rms_norm_eps == model.config.rms_norm_eps


def test_a_gguf_file_of_another_model_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_model())
    with pytest.raises(InputError, match="is not smollm2-135m"):
        load_gguf(tmp_path / "tiny.gguf", load_model("smollm2-135m"))
    write_gguf(tmp_path / "other.gguf", tiny_model(), architecture="mamba")
    with pytest.raises(UnsupportedModelError, match="mamba"):
        load_gguf(tmp_path / "other.gguf")
    (tmp_path / "none.gguf").write_bytes(b"GGUF but no more")
    with pytest.raises(InputError, match="cannot be read"):
        load_gguf(tmp_path / "none.gguf")


def test_the_packaged_model_speaks_with_its_own_tokenizer() -> None:
    tokenizer = load_tokenizer(packaged_model(), load_model(MODEL_NAME))
    text = "In 1997 the U.S. printed 12,345 copies.\n\n  It's  naïve…"
    ids = encode(tokenizer, text)
    assert tokenizer.decode(ids.tolist()) == text
    assert [tokenizer.decode([i]) for i in encode(tokenizer, "12345")] == list("12345")  # digits stand alone


def test_the_limit_of_a_sound_model_lies_above_what_frequencies_of_tokens_alone_know() -> None:
    """Cross entropy of the evaluation text under the token counts of the calibration text, one more of each token.

    Of 200,000 characters each; the whole texts, with their better counts, give the 0.70 of `NEAR_CHANCE`.
    """
    config = load_model("smollm2-135m")
    tokenizer, vocabulary = load_tokenizer(packaged_model(), config), config.vocab_size
    uses: tuple[Purpose, ...] = ("calibration", "evaluation")
    known, text = (encode(tokenizer, packaged_text(use)[:200_000]) for use in uses)
    counts = np.bincount(known, minlength=vocabulary) + 1.0
    nll = -np.log(counts[text] / counts.sum()).mean()
    assert nll / math.log(vocabulary) == pytest.approx(0.744, abs=0.005)
    assert nll / math.log(vocabulary) < NEAR_CHANCE


def test_texts_for_calibration_and_evaluation_share_no_article() -> None:
    calibration, evaluation = packaged_text("calibration"), packaged_text("evaluation")
    assert len(evaluation) > 500_000
    assert len(calibration) > len(evaluation)
    paragraphs = [p for p in evaluation.split("\n\n") if len(p) > 200]
    assert len(paragraphs) > 100
    assert not [p for p in paragraphs if p in calibration]
    assert "{{" not in evaluation


@pytest.mark.parametrize("name", ["llama-3.2-1b", "no-such-folder"])
def test_a_model_without_weights_here_says_what_to_give(name: str) -> None:
    with pytest.raises(InputError, match=r"no (weights|checkpoint)") as caught:
        open_model(name)
    assert caught.value.hint


def test_a_tokenizer_of_another_model_is_refused(checkpoint_folder: Write) -> None:
    folder = checkpoint_folder(tiny_model())
    with pytest.raises(InputError, match="tokenizer does not belong to the model"):
        load_tokenizer(folder, tiny_config(vocab_size=8))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_tokenizer(folder, tiny_config())


def test_bad_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n ")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00abc")
    for name, message in (("empty.txt", "is empty"), ("binary.txt", "not UTF-8"), ("none.txt", "cannot be read")):
        with pytest.raises(InputError, match=message):
            open_text(tmp_path / name, "evaluation")


def test_rows_of_wikitext_are_joined_as_published_numbers_do(tmp_path: Path) -> None:
    path = tmp_path / "wiki.raw"
    path.write_text(" \n = Title = \n \n one two \n")
    assert open_text(path, "evaluation", wikitext_rows=True).content == "\n\n = Title = \n\n\n\n\n one two \n"


def test_hugging_face_names_of_the_fixture_are_those_of_real_checkpoints() -> None:
    assert hugging_face_name("layers.0.mlp.up_proj.weight") == "model.layers.0.mlp.up_proj.weight"
    assert hugging_face_name("lm_head.weight") == "lm_head.weight"


def test_a_tokenizer_of_a_smaller_model_or_with_other_special_tokens_is_refused(
    checkpoint_folder: Callable[..., Path],
) -> None:
    folder = checkpoint_folder(tiny_model(), bos_token_id=1, eos_token_id=[1, 2])
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    load_tokenizer(folder, tiny_config())  # it has no special tokens, so any of its tokens may be meant
    with pytest.raises(InputError, match="far fewer"):
        load_tokenizer(folder, tiny_config(vocab_size=129))
    load_tokenizer(folder, tiny_config(vocab_size=128))
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.add_special_tokens(["the"])  # id 1
    tokenizer.save(str(file))
    with pytest.raises(InputError, match="does not belong") as caught:
        load_tokenizer(folder, tiny_config())
    assert caught.value.field == "eos_token_id"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 1}))
    load_tokenizer(folder, tiny_config())
    (folder / "config.json").write_text(json.dumps(config | {"bos_token_id": 64, "eos_token_id": 1}))
    with pytest.raises(InputError, match="does not belong"):
        load_tokenizer(folder, tiny_config())
