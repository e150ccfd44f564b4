"""Text to token ids: tokenizer.json of a checkpoint folder, or the tokenizer inside a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from quantize.gguf_source import field, open_gguf, vocabulary
from spec.errors import InputError, UnsupportedModelError, echo
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import TOKENIZER_FILE
from spec.strict import load_document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int64]

# Vocabularies are padded for the hardware by a few percent; a smaller tokenizer of another model leaves far more unused.
LEAST_VOCABULARY = 0.5

_CONTROL_TOKEN = 3  # LLAMA_TOKEN_TYPE_CONTROL in llama.cpp
# Split patterns by the `tokenizer.ggml.pre` that llama.cpp writes; each is the one of the model's own tokenizer.json.
_SPLITS = {
    "llama-bpe": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}


def load_tokenizer(path: Path, config: ModelConfig) -> Tokenizer:
    """The tokenizer of the checkpoint folder, GGUF file or tokenizer.json `path`.

    Raises:
        InputError: none there, unreadable, with more tokens than the model's vocabulary or far fewer, or with other special
            tokens than the model's configuration says.
        UnsupportedModelError: a GGUF tokenizer that we cannot rebuild.
    """
    tokenizer = _from_gguf(path) if path.suffix.lower() == ".gguf" else _from_json(path)
    tokens = tokenizer.get_vocab_size(with_added_tokens=True)
    if tokens > config.vocab_size:
        raise InputError(
            "the tokenizer does not belong to the model",
            field="tokenizer",
            value=f"{tokens} tokens",
            rule=f"at most vocab_size = {config.vocab_size}",
            hint="take tokenizer.json from the model's own checkpoint",
            source=str(path),
        )
    if tokens < config.vocab_size * LEAST_VOCABULARY:
        raise InputError(
            "the tokenizer is that of another model: it has far fewer tokens",
            field="tokenizer",
            value=f"{tokens} tokens",
            rule=f"at least {LEAST_VOCABULARY:.0%} of vocab_size = {config.vocab_size}; the rest is padding",
            hint="take tokenizer.json from the model's own checkpoint",
            source=str(path),
        )
    if path.is_dir() and (path / "config.json").is_file():
        _check_special_tokens(tokenizer, path / "config.json")
    return tokenizer


def _check_special_tokens(tokenizer: Tokenizer, config_file: Path) -> None:
    """The beginning and end of text of config.json are special tokens of the tokenizer, if it has any.

    Raises:
        InputError: an id that it does not have, or that stands for an ordinary token.
    """
    data = load_document(config_file, "model file").data
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    for name in ("bos_token_id", "eos_token_id"):
        given = data.get(name) if isinstance(data, dict) else None
        for token_id in given if isinstance(given, list) else [given]:
            if isinstance(token_id, bool) or not isinstance(token_id, int):
                continue  # none is stated
            token = tokenizer.id_to_token(token_id) if token_id >= 0 else None
            if token is None or (special and token_id not in special):
                raise InputError(
                    "the tokenizer does not belong to the model",
                    field=name,
                    value=f"{token_id}: {'no token' if token is None else token}",
                    rule="a special token of the tokenizer, as config.json says",
                    hint="take tokenizer.json and config.json from one checkpoint",
                    source=str(config_file),
                )


def encode(tokenizer: Tokenizer, text: str) -> Ids:
    """Token ids of `text`, special tokens of the model's template included."""
    return np.array(tokenizer.encode(text, add_special_tokens=True).ids, dtype=np.int64)


def _from_json(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    file = path / TOKENIZER_FILE if path.is_dir() else path
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises a bare Exception for a missing or broken file alike
        raise InputError(
            f"tokenizer {echo(str(file))} cannot be read: {error}",
            field="tokenizer",
            value=str(file),
            rule="a tokenizer.json of the tokenizers library",
            hint="copy tokenizer.json of the checkpoint into its folder",
        ) from error


def _from_gguf(path: Path) -> Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    reader = open_gguf(path)
    kind, split = field(reader, "tokenizer.ggml.model"), field(reader, "tokenizer.ggml.pre", "default")
    if kind != "gpt2" or (split != "smollm" and split not in _SPLITS):
        raise UnsupportedModelError(
            f"not supported: GGUF tokenizer {echo(kind)} with pre-tokenizer {echo(split)}",
            field="tokenizer.ggml.pre",
            value=split,
            rule=f"byte-level BPE with smollm, {' or '.join(_SPLITS)}",
            hint="give the Hugging Face checkpoint folder, which has tokenizer.json",
            source=str(path),
        )
    tokens: list[str] = vocabulary(reader)
    merges = [tuple(pair.split(" ")) for pair in field(reader, "tokenizer.ggml.merges", [])]
    types: list[Any] = list(field(reader, "tokenizer.ggml.token_type", []))
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split == "smollm")
    first = (
        pre_tokenizers.Digits(individual_digits=True)
        if split == "smollm"
        else pre_tokenizers.Split(Regex(_SPLITS[split]), "isolated")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([first, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, type_ in zip(tokens, types, strict=False) if type_ == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer
