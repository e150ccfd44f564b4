"""A small Llama with outliers, and what the tests measure it with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from quantize.arrays import NumpyArrays
from quantize.calibration import CalibrationTokens, calibration_tokens
from quantize.decoder import Decoder
from quantize.float_model import FloatModel, expected_shapes
from quantize.precision import Precision
from quantize.rope import inverse_frequencies
from quantize.weight_bank import WeightBank, unquantized
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import CheckpointSource
from spec.scheme_names import scheme_named

WORDS = "the a of model chip matrix token adds reads writes fast slow small large and or not bus".split()


def tiny_config(**changes: object) -> ModelConfig:
    fields: dict[str, object] = {
        "name": "tiny", "title": "Tiny", "hidden_dim": 48, "n_layers": 3, "n_q_heads": 4, "n_kv_heads": 2,
        "head_dim": 16, "ffn_dim": 96, "vocab_size": 64, "max_context_tokens": 512, "tied_embeddings": False,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    }  # fmt: skip
    return ModelConfig.model_validate(fields | changes)


def tiny_model(seed: int = 0, **changes: object) -> FloatModel:
    """Random weights; gammas with a few large channels, so that activations have outliers as real models do."""
    config = tiny_config(**changes)
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in expected_shapes(config).items():
        if name.endswith("norm.weight"):
            values = generator.uniform(0.5, 1.5, shape)
            values[:2] *= 12
        elif name.endswith(".bias"):
            values = generator.normal(0, 0.3, shape)
        else:
            values = generator.normal(0, 1.4 / np.sqrt(shape[-1]), shape)
        tensors[name] = values.astype(np.float32)
    if config.tied_embeddings:
        tensors["lm_head.weight"] = tensors["embed_tokens.weight"]
    return FloatModel(
        config,
        tensors,
        inverse_frequencies(config),
        CheckpointSource(kind="arrays", name=f"tiny-{seed}", sha256="0" * 64),
    )


def ids_of(seed: int, count: int, vocab: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocab, count)


def tiny_calibration(seed: int = 1) -> CalibrationTokens:
    return calibration_tokens("random", "text", lambda _: ids_of(seed, 256), windows=4, window_tokens=48)


def tiny_bank(model: FloatModel | None = None, scheme: QuantScheme | None = None, **options: object) -> WeightBank:
    return WeightBank(
        model or tiny_model(),
        scheme or scheme_named("w8a8kv8"),
        options.pop("rounding", "rtn"),  # type: ignore[arg-type]
        tiny_calibration(),
        NumpyArrays(),
        **options,  # type: ignore[arg-type]
    )


HUGGING_FACE_NAMES = {"embed_tokens": "model.embed_tokens", "norm": "model.norm", "layers": "model.layers"}


def hugging_face_name(name: str) -> str:
    first, _, rest = name.partition(".")
    return f"{HUGGING_FACE_NAMES.get(first, first)}.{rest}"


def write_checkpoint(folder: Path, model: FloatModel, shards: int = 1, **config_changes: object) -> Path:
    """A Hugging Face checkpoint of `model` with a word tokenizer, in `folder`."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True)
    config = model.config
    document = {
        "model_type": "llama", "hidden_size": config.hidden_dim, "intermediate_size": config.ffn_dim,
        "num_attention_heads": config.n_q_heads, "num_key_value_heads": config.n_kv_heads,
        "num_hidden_layers": config.n_layers, "vocab_size": config.vocab_size, "head_dim": config.head_dim,
        "max_position_embeddings": config.max_context_tokens, "tie_word_embeddings": config.tied_embeddings,
        "rms_norm_eps": config.rms_norm_eps, "rope_theta": config.rope_theta, "attention_bias": config.qkv_bias,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(document | config_changes))
    named = {hugging_face_name(name): values for name, values in model.tensors.items()}
    if config.tied_embeddings:
        del named["lm_head.weight"]
    if shards == 1:
        save_file(named, folder / "model.safetensors")
    else:
        names = sorted(named)
        files = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
        for file in set(files.values()):
            save_file({name: named[name] for name in names if files[name] == file}, folder / file)
        index = {"metadata": {}, "weight_map": files}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    vocabulary = {"[UNK]": 0} | {word: i + 1 for i, word in enumerate(WORDS)}
    vocabulary |= {f"unused{i}": i for i in range(len(vocabulary), config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@cache
def drawn_ids(sequences: int = 16, tokens: int = 48) -> np.ndarray:
    """Text drawn from the tiny model itself, (sequences x tokens): no other model predicts it better, as none should."""
    bank, generator = tiny_bank(), np.random.default_rng(11)
    decoder, precision = Decoder(bank.xp, bank), Precision(unquantized(bank.scheme), 3)
    ids = generator.integers(0, 64, (sequences, 1))
    for _ in range(tokens - 1):
        last = np.asarray(decoder.logits(decoder.forward(ids, precision)[:, -1], precision), dtype=float)
        chosen = (last + generator.gumbel(size=last.shape)).argmax(axis=1)  # draws from the softmax
        ids = np.concatenate([ids, chosen[:, None]], axis=1)
    return ids.reshape(-1)


def write_text(path: Path) -> Path:
    """Words that the tokenizer of `write_checkpoint` knows and that the tiny model expects."""
    words = {i + 1: word for i, word in enumerate(WORDS)}
    path.write_text(" ".join(words.get(i, f"unused{i}") for i in np.tile(drawn_ids(6), 7).tolist()))
    return path
