"""Shared by the tests of `spec/`: what a message must hold, and config.json files as their authors publish them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spec.errors import InputError, InputErrors, echo

Action = Callable[[], object]
Refused = Callable[..., InputError]

_LLAMA: dict[str, Any] = {  # Llama-3.2-1B
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 16,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.45.0.dev0",
    "use_cache": True,
    "vocab_size": 128256,
}

_QWEN2: dict[str, Any] = {  # Qwen2.5-0.5B
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "hidden_size": 896,
    "initializer_range": 0.02,
    "intermediate_size": 4864,
    "max_position_embeddings": 32768,
    "max_window_layers": 24,
    "model_type": "qwen2",
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 1000000.0,
    "sliding_window": 32768,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.1",
    "use_cache": True,
    "use_mrope": False,
    "use_sliding_window": False,
    "vocab_size": 151936,
}

_QWEN3: dict[str, Any] = {  # Qwen3-0.6B
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 1024,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "model_type": "qwen3",
    "num_attention_heads": 16,
    "num_hidden_layers": 28,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}

_MISTRAL: dict[str, Any] = {  # Mistral-7B-v0.3
    "architectures": ["MistralForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.42.0.dev0",
    "use_cache": True,
    "vocab_size": 32768,
}

CONFIGS = {"llama": _LLAMA, "qwen2": _QWEN2, "qwen3": _QWEN3, "mistral": _MISTRAL}


@pytest.fixture
def config_json() -> Callable[..., dict[str, Any]]:
    """`config_json("llama", rope_scaling=None)` is a fresh config with these keys changed."""

    def make(model_type: str = "llama", /, **changes: Any) -> dict[str, Any]:
        return {**CONFIGS[model_type], **changes}

    return make


@pytest.fixture
def refused() -> Refused:
    """Check that an action is refused with a complete message: field, value, rule and way out."""

    def check(action: Action, *words: str, field: str | None = None, value: Any = ...) -> InputError:
        with pytest.raises(InputError) as caught:
            action()
        error = caught.value
        text = str(error)
        for one in error.errors if isinstance(error, InputErrors) else [error]:
            # A key that is missing has no value: null would be one.
            parts = (
                ("field", "rule", "way out") if "missing key" in one.message else ("field", "value", "rule", "way out")
            )
            for part in parts:
                assert f"\n  {part}: " in str(one), f"no {part} in: {one}"
            assert one.field
            assert one.rule
            assert one.hint
        if field is not None:
            assert error.field == field
        if value is not ...:
            assert f"value: {echo(value)}" in text
        for word in words:
            assert word in text, f"{word!r} is missing in: {text}"
        assert "Traceback" not in text
        assert error.exit_code == 2
        assert error.to_problem()["status"] == 422
        return error

    return check
