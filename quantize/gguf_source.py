"""A Llama-like model in a GGUF file, dequantized to fp32; q and k rows are put back into Hugging Face order."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.float_model import FloatModel, check_complete, check_nothing_left, expected_shapes
from quantize.memory import check_loadable, guarded
from quantize.rope import inverse_frequencies
from spec.errors import InputError, UnsupportedModelError, echo
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import CheckpointSource
from spec.strict import validate

Fp32 = npt.NDArray[np.float32]

_LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_GLOBAL_NAMES = {"token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head"}
_ARCHITECTURES = ("llama", "qwen2", "qwen3")


def open_gguf(path: Path) -> Any:
    """A `gguf.GGUFReader` of the file.

    Raises:
        InputError: unreadable, cut short or not GGUF.
    """
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(
            f"GGUF file {echo(str(path))} cannot be read: {error}",
            field="model",
            value=str(path),
            rule="a whole GGUF file",
            hint="check the path, or download the file again",
        ) from error


def field(reader: Any, key: str, default: Any = None) -> Any:
    """The value of a metadata field, or `default`."""
    found = reader.fields.get(key)
    return default if found is None else found.contents()


def load_gguf(path: Path, config: ModelConfig | None = None) -> FloatModel:
    """The model in a GGUF file; `config` names what the file is, else it is read from the file's metadata.

    Raises:
        InputError: unreadable, incomplete, or other shapes than the configuration.
        UnsupportedModelError: another architecture.
    """
    reader = open_gguf(path)
    own = _config(reader, path)
    if config is not None:
        _check_same(own, config, path)
    config = config or own
    check_loadable(config)
    with guarded(f"loading {config.name}", config):
        return _load(path, reader, config)


def _load(path: Path, reader: Any, config: ModelConfig) -> FloatModel:
    from gguf import dequantize

    wanted = expected_shapes(config)
    tensors: dict[str, Fp32] = {}
    left: list[str] = []
    frequency_factors: Fp32 | None = None
    permuted = field(reader, "general.architecture") == "llama"
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name == "rope_freqs.weight":
            frequency_factors = values
            continue
        name = _our_name(tensor.name)
        if name not in wanted:
            left.append(name)
            continue
        if permuted and ".q_proj." in name:
            values = _unpermute(values, config.n_q_heads)
        elif permuted and ".k_proj." in name:
            values = _unpermute(values, config.n_kv_heads)
        tensors[name] = values
    if "lm_head.weight" not in tensors and "embed_tokens.weight" in tensors:
        tensors["lm_head.weight"] = tensors["embed_tokens.weight"]
    check_complete(config, tensors, str(path))
    check_nothing_left(config, left, str(path))
    frequencies = inverse_frequencies(config.model_copy(update={"rope_scaling": "none"}))
    if frequency_factors is not None:
        frequencies = (frequencies / frequency_factors).astype(np.float32)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = CheckpointSource(
        kind="gguf", name=path.name[:200], sha256=digest, license=field(reader, "general.license")
    )
    return FloatModel(config=config, tensors=tensors, inverse_frequencies=frequencies, source=source)


def _our_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blk" and len(parts) == 4:
        return f"layers.{parts[1]}.{_LAYER_NAMES.get(parts[2], parts[2])}.{parts[3]}"
    return ".".join([_GLOBAL_NAMES.get(parts[0], parts[0]), *parts[1:]])


def _unpermute(values: Fp32, heads: int) -> Fp32:
    """GGUF's llama files interleave the two halves that RoPE pairs; undo it for weights and biases."""
    rows = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(values.shape))


def _config(reader: Any, path: Path) -> ModelConfig:
    architecture = field(reader, "general.architecture")
    if architecture not in _ARCHITECTURES:
        raise UnsupportedModelError(
            f"not supported: GGUF architecture {echo(architecture)}",
            field="general.architecture",
            value=architecture,
            rule=f"one of {', '.join(_ARCHITECTURES)}",
            hint="take a Llama-like model",
            source=str(path),
        )

    def number(key: str, default: Any = None) -> Any:
        value = field(reader, f"{architecture}.{key}", default)
        if value is None:
            raise InputError(
                f"the GGUF file has no {architecture}.{key}",
                field=f"{architecture}.{key}",
                value=None,
                rule="the metadata of the model's shapes",
                hint="convert the checkpoint to GGUF again",
                source=str(path),
            )
        return value

    names = {tensor.name for tensor in reader.tensors}
    heads, hidden = int(number("attention.head_count")), int(number("embedding_length"))
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.stem.lower())
    kind = field(reader, f"{architecture}.rope.scaling.type", "none")
    if kind not in ("none", None):
        raise UnsupportedModelError(
            f"not supported: RoPE scaling {echo(kind)} in a GGUF file",
            field=f"{architecture}.rope.scaling.type",
            value=kind,
            rule="none, or the factors of rope_freqs.weight",
            hint="give the Hugging Face checkpoint folder instead",
            source=str(path),
        )
    return validate(
        ModelConfig,
        {
            "name": stem.strip("-._")[:64] or "gguf-model",
            "title": str(field(reader, "general.name", path.stem))[:200] or path.stem[:200],
            "hidden_dim": hidden,
            "n_layers": int(number("block_count")),
            "n_q_heads": heads,
            "n_kv_heads": int(number("attention.head_count_kv", heads)),
            "head_dim": int(field(reader, f"{architecture}.attention.key_length", hidden // heads)),
            "ffn_dim": int(number("feed_forward_length")),
            "vocab_size": len(vocabulary(reader)),
            "max_context_tokens": int(number("context_length")),
            "tied_embeddings": "output.weight" not in names,
            "qk_norm": "blk.0.attn_q_norm.weight" in names,
            "qkv_bias": "blk.0.attn_q.bias" in names,
            "output_bias": "blk.0.attn_output.bias" in names,
            "rms_norm_eps": _shortest(number("attention.layer_norm_rms_epsilon")),
            "rope_theta": float(number("rope.freq_base", 10000.0)),
            "rope_scaling": "llama3" if "rope_freqs.weight" in names else "none",
        },
    )


def _shortest(value: float) -> float:
    """An fp32 value as the decimal number that someone wrote: 9.99999974e-06 is 1e-05."""
    return float(str(np.float32(value)))


def vocabulary(reader: Any) -> list[str]:
    """The vocabulary of the file, in order of the ids; empty where it has none."""
    tokens = field(reader, "tokenizer.ggml.tokens", [])
    return list(tokens)


def _check_same(own: ModelConfig, given: ModelConfig, path: Path) -> None:
    for name in (
        "hidden_dim",
        "n_layers",
        "n_q_heads",
        "n_kv_heads",
        "head_dim",
        "ffn_dim",
        "vocab_size",
        "rope_theta",
    ):
        if getattr(own, name) != getattr(given, name):
            raise InputError(
                f"the GGUF file is not {given.name}",
                field=name,
                value=getattr(own, name),
                rule=f"{getattr(given, name)} in {given.name}",
                hint="give the file alone: its own metadata say what it is",
                source=str(path),
            )
