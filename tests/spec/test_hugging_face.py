"""A Hugging Face config.json becomes a ModelConfig, or is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.catalog import load_model, resolve_model
from spec.errors import InputError, UnsupportedModelError
from spec.model_config import ModelConfig, from_hugging_face
from spec.strict import Document

Refused = Callable[..., InputError]
ConfigJson = Callable[..., dict[str, Any]]


def read(config: Any) -> ModelConfig:
    return from_hugging_face(Document(config, "folder/config.json"), "my-model")


# ----------------------------------------------------------------------------------------------------- accepted


@pytest.mark.parametrize(
    ("model_type", "catalog_name"), [("llama", "llama-3.2-1b"), ("qwen2", "qwen2.5-0.5b"), ("qwen3", "qwen3-0.6b")]
)
def test_a_published_config_equals_the_catalog(config_json: ConfigJson, model_type: str, catalog_name: str) -> None:
    ours, theirs = load_model(catalog_name), read(config_json(model_type))
    apart = {"name", "title", "sources"}
    assert theirs.model_dump(exclude=apart) == ours.model_dump(exclude=apart)


def test_mistral_has_neither_bias_nor_qk_norm(config_json: ConfigJson) -> None:
    model = read(config_json("mistral"))
    assert model.parameters == 7_248_023_552  # published total of Mistral-7B-v0.3
    assert (model.qkv_bias, model.output_bias, model.qk_norm) == (False, False, False)


def test_qwen2_has_a_bias_on_q_k_and_v_only(config_json: ConfigJson) -> None:
    model = read(config_json("qwen2"))
    assert (model.qkv_bias, model.output_bias) == (True, False)


@pytest.mark.parametrize("model_type", ["llama", "qwen3"])
def test_attention_bias_covers_the_output_too(config_json: ConfigJson, model_type: str) -> None:
    model = read(config_json(model_type, attention_bias=True))
    assert (model.qkv_bias, model.output_bias) == (True, True)


def test_a_sliding_window_that_is_switched_off(config_json: ConfigJson) -> None:
    assert read(config_json("qwen2", sliding_window=4096, use_sliding_window=False)).hidden_dim == 896
    without = config_json("qwen2", sliding_window=4096)
    del without["use_sliding_window"]  # off is Qwen2's default
    assert read(without).hidden_dim == 896


@pytest.mark.parametrize(
    ("changes", "theta", "scaling"),
    [
        ({"rope_scaling": None}, 500000.0, "none"),
        ({"rope_scaling": {"rope_type": "default"}}, 500000.0, "none"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, 500000.0, "linear"),
        ({"rope_scaling": None, "rope_theta": None}, 10000.0, "none"),
        (
            {"rope_scaling": None, "rope_theta": None, "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}},
            500000.0,
            "llama3",
        ),
        ({"rope_theta": 1000000}, 1000000.0, "llama3"),
    ],
)
def test_rope(config_json: ConfigJson, changes: dict[str, Any], theta: float, scaling: str) -> None:
    model = read(config_json("llama", **changes))
    assert (model.rope_theta, model.rope_scaling) == (theta, scaling)


def test_defaults_of_keys_that_are_left_out(config_json: ConfigJson) -> None:
    config = config_json("llama")
    left_out = ("num_key_value_heads", "head_dim", "max_position_embeddings", "rope_theta", "tie_word_embeddings")
    for key in (*left_out, "rms_norm_eps", "attention_bias", "rope_scaling"):
        del config[key]
    model = read(config)
    assert read({**dict.fromkeys(config_json("llama")), **config}) == model  # null is as good as absent
    assert (model.n_kv_heads, model.head_dim, model.max_context_tokens) == (32, 64, 2048)
    assert (model.rope_theta, model.tied_embeddings, model.rms_norm_eps) == (10000.0, False, 1e-6)


def test_qwen3_head_dim_is_128_when_left_out(config_json: ConfigJson) -> None:
    assert read(config_json("qwen3", head_dim=None)).head_dim == 128


def test_keys_that_we_do_not_know_are_listed(config_json: ConfigJson) -> None:
    assert read(config_json("llama", my_new_option=3)).ignored_keys == ("my_new_option",)
    assert read(config_json("llama")).ignored_keys == ()


def test_neither_title_nor_sources_hold_a_path(config_json: ConfigJson) -> None:
    deep = "/".join(["folder" * 5] * 40) + "/config.json"
    model = from_hugging_face(Document(config_json("llama"), deep), "my-model")
    assert "folder" not in model.model_dump_json()


# ------------------------------------------------------------------------------------------------- refused by name


@pytest.mark.parametrize(
    ("changes", "field", "feature"),
    [
        ({"num_local_experts": 8}, "num_local_experts", "mixture of experts (MoE)"),
        ({"num_experts": 60, "num_experts_per_tok": 4}, "num_experts", "mixture of experts (MoE)"),
        ({"n_routed_experts": 64}, "n_routed_experts", "mixture of experts (MoE)"),
        ({"moe_intermediate_size": 1408}, "moe_intermediate_size", "mixture of experts (MoE)"),
        ({"kv_lora_rank": 512}, "kv_lora_rank", "multi-head latent attention (MLA)"),
        ({"q_lora_rank": 1536}, "q_lora_rank", "multi-head latent attention (MLA)"),
        ({"sliding_window": 4096}, "sliding_window", "sliding window attention"),
        ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping", "attention logit soft-capping"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping", "final logit soft-capping"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types", "full attention"),
        ({"layer_types": ["linear_attention"]}, "layer_types", "full attention"),
        ({"layer_types": 5}, "layer_types", "full attention"),
        ({"layer_types": "full_attention"}, "layer_types", "full attention"),
        ({"layer_types": [["full_attention"]]}, "layer_types", "full attention"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_scaling.rope_type", "RoPE scaling 'yarn'"),
        ({"rope_scaling": {"type": "dynamic", "factor": 4.0}}, "rope_scaling.rope_type", "RoPE scaling 'dynamic'"),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope_scaling.rope_type", "RoPE scaling 'longrope'"),
        ({"rope_scaling": {"rope_type": ["llama3"]}}, "rope_scaling.rope_type", "RoPE scaling"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", "partial rotary embedding"),
        ({"no_rope_layers": [1, 0]}, "no_rope_layers", "layers without RoPE"),
        ({"hidden_act": "gelu"}, "hidden_act", "activation 'gelu'"),
        ({"mlp_bias": True}, "mlp_bias", "bias in the FFN"),
        ({"vision_config": {"depth": 32}}, "vision_config", "vision input"),
        ({"audio_config": {"layers": 2}}, "audio_config", "audio input"),
        ({"text_config": {"hidden_size": 4}}, "text_config", "nested multimodal"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config", "already quantized"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder", "encoder-decoder"),
        ({"state_size": 16}, "state_size", "state-space layers"),
        ({"alibi": True}, "alibi", "ALiBi"),
        ({"parallel_attn": True}, "parallel_attn", "parallel attention and FFN"),
        ({"embedding_multiplier": 12.0}, "embedding_multiplier", "Granite"),
        ({"num_nextn_predict_layers": 1}, "num_nextn_predict_layers", "multi-token prediction"),
        ({"model_type": "gemma2"}, "model_type", "'gemma2'"),
        ({"model_type": None}, "model_type", "model_type None"),
        ({"model_type": {}}, "model_type", "model_type {}"),
    ],
)
def test_features_are_refused_by_name(
    refused: Refused, config_json: ConfigJson, changes: dict[str, Any], field: str, feature: str
) -> None:
    error = refused(lambda: read(config_json("llama", **changes)), "not modelled", feature, "config.json", field=field)
    assert isinstance(error, UnsupportedModelError)
    assert error.to_problem()["type"].endswith("unsupported_model")


def test_sliding_window_of_mistral(refused: Refused, config_json: ConfigJson) -> None:
    refused(lambda: read(config_json("mistral", sliding_window=4096)), "sliding window", field="sliding_window")
    without = config_json("mistral")
    del without["sliding_window"]  # 4096 is Mistral's default
    refused(lambda: read(without), "sliding window", "set sliding_window to null", field="sliding_window")


def test_a_sliding_window_that_is_switched_on(refused: Refused, config_json: ConfigJson) -> None:
    refused(lambda: read(config_json("qwen2", use_sliding_window=True)), "sliding window", value=32768)


# ------------------------------------------------------------------------------------------ missing, absurd, odd


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "qwen3", "mistral"])
@pytest.mark.parametrize(
    "key", ["hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size", "model_type"]
)
def test_missing_keys(refused: Refused, config_json: ConfigJson, model_type: str, key: str) -> None:
    config = config_json(model_type)
    del config[key]
    refused(lambda: read(config), key, field=key)


def test_kv_heads_are_asked_for_where_no_default_is_safe(refused: Refused, config_json: ConfigJson) -> None:
    config = config_json("qwen2")
    del config["num_key_value_heads"]
    refused(lambda: read(config), "missing key", field="num_key_value_heads")


SIZES = [
    "hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size",
    "num_key_value_heads", "head_dim", "max_position_embeddings",
]  # fmt: skip


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", [0, -1, 10**12, True, "2048", 1e3, 2048.0, [], {}, "x" * 10_000, 10**4000])
def test_absurd_sizes(refused: Refused, config_json: ConfigJson, key: str, value: Any) -> None:
    text = str(refused(lambda: read(config_json("llama", **{key: value})), key, "way out", field=key, value=value))
    assert len(text) < 1500


@pytest.mark.parametrize("key", SIZES[:5])
def test_null_sizes(refused: Refused, config_json: ConfigJson, key: str) -> None:
    refused(lambda: read(config_json("llama", **{key: None})), field=key, value=None)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size"])
def test_sizes_beyond_our_bounds_are_named_as_in_the_file(refused: Refused, config_json: ConfigJson, key: str) -> None:
    changes = {key: 2**28, "head_dim": 64}
    text = str(refused(lambda: read(config_json("llama", **changes)), field=key))
    assert " n_layers" not in text
    assert "hidden_dim" not in text


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"num_key_value_heads": 5}, "num_key_value_heads", ("must divide",)),
        ({"num_key_value_heads": 64}, "num_key_value_heads", ("must divide",)),
        ({"head_dim": None, "num_attention_heads": 24}, "hidden_size", ("a multiple of num_attention_heads = 24",)),
        ({"head_dim": 63}, "head_dim", ("odd",)),
        ({"head_dim": 4096}, "head_dim", ("1024",)),
        ({"num_attention_heads": 2048}, "num_attention_heads", ("1024",)),
        ({"num_hidden_layers": 5000}, "num_hidden_layers", ("1024",)),
        ({"rms_norm_eps": 0}, "rms_norm_eps", ()),
        ({"rms_norm_eps": "small"}, "rms_norm_eps", ("number",)),
        ({"rms_norm_eps": 1e999}, "rms_norm_eps", ("finite",)),
        ({"rope_theta": -1.0}, "rope_theta", ()),
        ({"rope_theta": "10000"}, "rope_theta", ("number",)),
        ({"rope_theta": True}, "rope_theta", ("number",)),
        ({"rope_theta": 10**400}, "rope_theta", ()),
        ({"rope_theta": 10**5000}, "rope_theta", ("bits",)),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings", ("true, false or null",)),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings", ("true, false or null",)),
        ({"attention_bias": "no"}, "attention_bias", ("true, false or null",)),
        ({"rope_scaling": "llama3"}, "rope_scaling", ("an object or null",)),
        ({"rope_scaling": [1]}, "rope_scaling", ("an object or null",)),
        ({"rope_parameters": "llama3", "rope_scaling": None}, "rope_parameters", ("an object or null",)),
    ],
)
def test_contradictory_and_odd_fields(
    refused: Refused, config_json: ConfigJson, changes: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    refused(lambda: read(config_json("llama", **changes)), *words, field=field)


@pytest.mark.parametrize("config", [None, [], [1], "text", 5, True, 1.5])
def test_a_config_that_is_no_object(refused: Refused, config: Any) -> None:
    refused(lambda: read(config), "config.json is not an object", field="document")


def test_an_empty_config(refused: Refused) -> None:
    refused(lambda: read({}), "model_type None", "supported: llama, qwen2, qwen3, mistral")


# ------------------------------------------------------------------------------------------------------ as files


def write(path: Path, config: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return str(path)


def test_a_checkpoint_is_named_after_its_folder(config_json: ConfigJson, tmp_path: Path) -> None:
    file = write(tmp_path / "My Model (v2)" / "config.json", config_json("qwen3"))
    model = resolve_model(file)
    assert model.name == "my-model--v2"
    assert resolve_model(str(Path(file).parent)) == model  # the folder means its config.json


@pytest.mark.parametrize("folder", ["...", "---", "模型", "a" * 200, "\x1b[31m"])
def test_folders_with_odd_names(config_json: ConfigJson, tmp_path: Path, folder: str) -> None:
    file = write(tmp_path / f"_{folder}" / "config.json", config_json("llama"))
    assert resolve_model(file).hidden_dim == 2048


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"model_type": "llama", "hidden_size": 1, "hidden_size": 2}', "duplicate key"),
        ('{"model_type": "llama", "hidden_size": NaN}', "NaN"),
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 5000, "nested too deeply"),
        ('{"model_type": ' + '{"a":' * 100 + "1" + "}" * 101, "nested too deeply"),
    ],
)
def test_files_that_are_no_config(refused: Refused, tmp_path: Path, text: str, word: str) -> None:
    file = write(tmp_path / "config.json", text)
    refused(lambda: resolve_model(file), word, file)


def test_a_folder_without_config(refused: Refused, tmp_path: Path) -> None:
    refused(lambda: resolve_model(str(tmp_path)), "config.json", "No such file")


# --------------------------------------------------------------------------------------------------- properties

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 64, 128, 2048, 10**12, 10**4000, 2**31, 2**63])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["llama", "qwen2", "qwen3", "mistral", "silu", "yarn", "full_attention", "\ud800", "x" * 10_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "model_type", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers",
    "vocab_size", "head_dim", "max_position_embeddings", "tie_word_embeddings", "attention_bias", "mlp_bias",
    "hidden_act", "rms_norm_eps", "rope_theta", "rope_scaling", "rope_parameters", "sliding_window",
    "use_sliding_window", "layer_types", "partial_rotary_factor", "is_encoder_decoder", "num_experts", "kv_lora_rank",
    "quantization_config", "attn_logit_softcapping",
]  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), JSON, max_size=6)


def is_model_or_refusal(config: Any) -> None:
    def outcome() -> ModelConfig | InputError:
        try:
            return read(config)
        except InputError as error:
            return error

    result = outcome()
    if isinstance(result, InputError):
        assert result.rule
        assert str(result)
        assert result.to_problem()["errors"]
    else:
        assert result.parameters > 0


@settings(max_examples=300, deadline=None)
@given(JSON | CHANGES)
def test_anything_is_a_model_or_a_refusal(config: Any) -> None:
    is_model_or_refusal(config)


@settings(max_examples=400, deadline=None)
@given(
    model_type=st.sampled_from(["llama", "qwen2", "qwen3", "mistral"]),
    changes=CHANGES,
    gone=st.sets(st.sampled_from(KEYS), max_size=2),
)
def test_a_damaged_config_is_a_model_or_a_refusal(model_type: str, changes: dict[str, Any], gone: set[str]) -> None:
    config = {
        "model_type": model_type, "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4,
        "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 100, "sliding_window": None,
    }  # fmt: skip
    is_model_or_refusal({key: value for key, value in {**config, **changes}.items() if key not in gone})


@settings(max_examples=100, deadline=None)
@given(
    heads=st.integers(1, 64), group=st.integers(1, 8), head_dim=st.integers(1, 64).map(lambda half: 2 * half),
    layers=st.integers(1, 64), ffn=st.integers(8, 20_000), vocab=st.integers(2, 200_000), tied=st.booleans(),
)  # fmt: skip
def test_parameters_are_the_sum_of_the_weight_tensors(
    heads: int, group: int, head_dim: int, layers: int, ffn: int, vocab: int, tied: bool
) -> None:
    kv_heads, q_heads, hidden = heads, heads * group, 8 * head_dim
    config = {
        "model_type": "qwen3", "hidden_size": hidden, "intermediate_size": ffn, "num_attention_heads": q_heads,
        "num_key_value_heads": kv_heads, "head_dim": head_dim, "num_hidden_layers": layers, "vocab_size": vocab,
        "tie_word_embeddings": tied,
    }  # fmt: skip
    model = read(config)
    layer = [
        (q_heads * head_dim, hidden), (kv_heads * head_dim, hidden), (kv_heads * head_dim, hidden),
        (hidden, q_heads * head_dim), (ffn, hidden), (ffn, hidden), (hidden, ffn),
        (1, hidden), (1, hidden), (1, head_dim), (1, head_dim),
    ]  # fmt: skip
    whole = [(vocab, hidden)] * (1 if tied else 2) + [(1, hidden)] + layer * layers
    assert model.parameters == sum(rows * columns for rows, columns in whole)
