"""ModelConfig: a Llama-like decoder, from the catalog or from a Hugging Face `config.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from spec.errors import InputError, InputErrors, UnsupportedModelError, echo
from spec.strict import Document, StrictModel, validate

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
RopeScaling = Literal["none", "llama3", "linear"]

# The vocabulary is padded with zero rows to a multiple of the widest engine of the family: FlexLLM pads 128,256 rows
# to 131,072 (VOCAB_SIZE_PAD).
VOCAB_PAD_CHANNELS = 4096


class ModelConfig(StrictModel):
    """Shapes and options of a decoder-only model with grouped-query attention, RMSNorm, RoPE and SwiGLU."""

    schema_name: Annotated[Literal["flexdse/model/v1"], Field(alias="schema")] = "flexdse/model/v1"
    name: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    hidden_dim: Annotated[int, Field(ge=8, le=65536)]
    n_layers: Annotated[int, Field(ge=1, le=1024)]
    n_q_heads: Annotated[int, Field(ge=1, le=1024)]
    n_kv_heads: Annotated[int, Field(ge=1, le=1024)]
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    ffn_dim: Annotated[int, Field(ge=8, le=1_048_576)]
    vocab_size: Annotated[int, Field(ge=2, le=4_194_304)]
    max_context_tokens: Annotated[int, Field(ge=1, le=2**27)]
    tied_embeddings: bool
    qk_norm: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    rms_norm_eps: Annotated[float, Field(gt=0, lt=0.1)]
    rope_theta: Annotated[float, Field(gt=1, le=1e12)]
    rope_scaling: RopeScaling = "none"
    ignored_keys: tuple[str, ...] = ()
    sources: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if self.n_q_heads % self.n_kv_heads:
            raise InputError(
                "query heads do not divide into KV heads",
                field="n_kv_heads",
                value=self.n_kv_heads,
                rule=f"must divide n_q_heads = {self.n_q_heads}",
                hint="correct num_attention_heads or num_key_value_heads",
            )
        if self.head_dim % 2:
            raise InputError(
                "RoPE rotates pairs, head_dim is odd",
                field="head_dim",
                value=self.head_dim,
                rule="even",
                hint="correct head_dim",
            )
        return self

    @property
    def q_dim(self) -> int:
        """Width of all query heads together (channels)."""
        return self.n_q_heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of all key (or value) heads together (channels)."""
        return self.n_kv_heads * self.head_dim

    @property
    def gqa_group(self) -> int:
        """Query heads that share one KV head."""
        return self.n_q_heads // self.n_kv_heads

    @property
    def layer_linear_weights(self) -> int:
        """Weights of the seven linear layers of one decoder layer."""
        attention = self.hidden_dim * (self.q_dim + 2 * self.kv_dim) + self.q_dim * self.hidden_dim
        return attention + 3 * self.hidden_dim * self.ffn_dim

    @property
    def lm_head_weights(self) -> int:
        """Weights of the vocabulary projection."""
        return self.hidden_dim * self.vocab_size

    @property
    def padded_vocab_size(self) -> int:
        """Rows of lm_head as stored and computed, the surplus ones zero."""
        return -(-self.vocab_size // VOCAB_PAD_CHANNELS) * VOCAB_PAD_CHANNELS

    @property
    def parameters(self) -> int:
        """All parameters, tied embeddings counted once, biases and QK-norms included."""
        norms = self.n_layers * (2 * self.hidden_dim + (2 * self.head_dim if self.qk_norm else 0)) + self.hidden_dim
        biases = self.n_layers * (
            (self.q_dim + 2 * self.kv_dim if self.qkv_bias else 0) + (self.hidden_dim if self.output_bias else 0)
        )
        embeddings = self.lm_head_weights * (1 if self.tied_embeddings else 2)
        return self.n_layers * self.layer_linear_weights + norms + biases + embeddings


# Features by the key that switches them on in a config.json; each is refused by its name.
_REFUSED_FEATURES: dict[str, str] = {
    "num_local_experts": "mixture of experts (MoE)",
    "num_experts": "mixture of experts (MoE)",
    "n_routed_experts": "mixture of experts (MoE)",
    "moe_intermediate_size": "mixture of experts (MoE)",
    "num_experts_per_tok": "mixture of experts (MoE)",
    "kv_lora_rank": "multi-head latent attention (MLA)",
    "q_lora_rank": "multi-head latent attention (MLA)",
    "attn_logit_softcapping": "attention logit soft-capping",
    "final_logit_softcapping": "final logit soft-capping",
    "vision_config": "vision input (multimodal)",
    "audio_config": "audio input (multimodal)",
    "text_config": "nested multimodal configuration",
    "no_rope_layers": "layers without RoPE (NoPE)",
    "state_size": "state-space layers (Mamba)",
    "ssm_cfg": "state-space layers (Mamba)",
    "alibi": "ALiBi positions",
    "parallel_attn": "parallel attention and FFN",
    "quantization_config": "an already quantized checkpoint",
    "mup_attn_multiplier": "muP multipliers",
    "embedding_multiplier": "embedding multiplier (Granite)",
    "residual_multiplier": "residual multiplier (Granite)",
    "num_nextn_predict_layers": "multi-token prediction layers",
}

_MODEL_TYPES = ("llama", "qwen2", "qwen3", "mistral")

_REQUIRED = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "vocab_size")

# Defaults of transformers for a key that a config.json leaves out, where they differ between the model types.
_DEFAULT_CONTEXT = {"llama": 2048, "qwen2": 32768, "qwen3": 32768, "mistral": 131072}
_DEFAULT_SLIDING_WINDOW = {"mistral": 4096}
_DEFAULT_HEAD_DIM = {"qwen3": 128}

# Our field -> its key in a config.json, so that an error names what the user's file has.
_CONFIG_KEYS = {
    "hidden_dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_q_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "ffn_dim": "intermediate_size",
    "max_context_tokens": "max_position_embeddings",
    "tied_embeddings": "tie_word_embeddings",
    "qkv_bias": "attention_bias",
    "output_bias": "attention_bias",
}

# Keys without effect on shapes, cycles or arithmetic of inference.
_HARMLESS = frozenset(
    """architectures model_type torch_dtype dtype transformers_version use_cache bos_token_id eos_token_id pad_token_id
    initializer_range attention_dropout pretraining_tp max_window_layers use_sliding_window _name_or_path auto_map
    is_llama_config rope_interleaved transformers.js_config _attn_implementation_autoset output_attentions
    output_hidden_states return_dict tokenizer_class hidden_dropout is_encoder_decoder unsloth_fixed unk_token_id
    task_specific_params use_mrope""".split()
)

_READ = frozenset(
    """hidden_size intermediate_size num_attention_heads num_key_value_heads num_hidden_layers vocab_size head_dim
    max_position_embeddings tie_word_embeddings attention_bias mlp_bias hidden_act rms_norm_eps rope_theta rope_scaling
    rope_parameters sliding_window layer_types partial_rotary_factor""".split()
)


def _refuse_unsupported(config: dict[str, Any], source: str | None) -> None:
    def refuse(feature: str, key: str, hint: str) -> None:
        raise UnsupportedModelError(
            f"not modelled: {feature}",
            field=key,
            value=config.get(key),
            rule="Llama-like decoders only: GQA, RMSNorm, RoPE, SwiGLU, optional QK-norm and QKV bias",
            hint=hint,
            source=source,
        )

    model_type = config.get("model_type")
    for key, feature in _REFUSED_FEATURES.items():
        value = config.get(key)
        off = value is None or value is False or value in (0, {}, [])
        neutral = key.endswith("_multiplier") and value == 1
        if not off and not neutral:
            quantized = key == "quantization_config"
            refuse(
                feature,
                key,
                "give the checkpoint that was not quantized"
                if quantized
                else "take a dense Llama, Qwen2, Qwen3 or Mistral model",
            )
    if model_type not in _MODEL_TYPES:
        refuse(f"model_type {echo(model_type)}", "model_type", f"supported: {', '.join(_MODEL_TYPES)}")
    if config.get("is_encoder_decoder"):
        refuse("encoder-decoder models", "is_encoder_decoder", "take a decoder-only model")
    window = config.get("sliding_window", _DEFAULT_SLIDING_WINDOW.get(str(model_type)))
    if config.get("use_sliding_window", model_type not in ("qwen2", "qwen3")) and window is not None:
        refuse("sliding window attention", "sliding_window", "set sliding_window to null if the context stays below it")
    layer_types = config.get("layer_types") or []
    if not isinstance(layer_types, list) or any(kind != "full_attention" for kind in layer_types):
        refuse("layers with other than full attention", "layer_types", "only full_attention layers are modelled")
    if config.get("hidden_act", "silu") not in ("silu", "swish"):
        refuse(f"activation {echo(config['hidden_act'])}", "hidden_act", "SwiGLU needs silu")
    if config.get("mlp_bias"):
        refuse("bias in the FFN", "mlp_bias", "take a model without it")
    if config.get("partial_rotary_factor", 1.0) not in (1, 1.0, None):
        refuse("partial rotary embedding", "partial_rotary_factor", "only full RoPE is modelled")


def _rope(config: dict[str, Any], source: str | None) -> tuple[float, RopeScaling]:
    parameters = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or parameters
    for key, value in (("rope_parameters", parameters), ("rope_scaling", scaling)):
        if not isinstance(value, dict):
            raise InputError(
                f"{key} is not an object",
                field=key,
                value=value,
                rule="an object or null",
                hint="write null for plain RoPE",
                source=source,
            )
    theta = next((t for t in (config.get("rope_theta"), parameters.get("rope_theta")) if t is not None), 10000.0)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind in ("default", None):
        return theta, "none"
    if kind in ("llama3", "linear"):
        return theta, kind
    raise UnsupportedModelError(
        f"not modelled: RoPE scaling {echo(kind)}",
        field="rope_scaling.rope_type",
        value=kind,
        rule="default, linear or llama3",
        hint="remove rope_scaling if the context stays within the original length",
        source=source,
    )


def _switch(config: dict[str, Any], key: str, source: str | None) -> bool:
    value = config.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InputError(
        f"{key} is neither true nor false",
        field=key,
        value=value,
        rule="true, false or null",
        hint="correct the value in config.json",
        source=source,
    )


def from_hugging_face(document: Document, name: str) -> ModelConfig:
    """A ModelConfig from the content of a Hugging Face `config.json`.

    Raises:
        InputError: a missing, absurd or contradictory field.
        UnsupportedModelError: a feature that no module of ours implements.
    """
    config, source = document.data, document.source
    if not isinstance(config, dict):
        raise InputError(
            "config.json is not an object",
            field="document",
            value=config,
            rule="a JSON object",
            hint="give the config.json of the checkpoint itself",
            source=source,
        )
    _refuse_unsupported(config, source)
    model_type = config["model_type"]
    required = _REQUIRED if model_type == "llama" else (*_REQUIRED, "num_key_value_heads")
    for key in required:
        if key not in config:
            raise InputError(
                f"missing key {echo(key)}",
                field=key,
                value=None,
                rule=f"a config.json of a {model_type} model has {', '.join(required)}",
                hint="give the config.json of the checkpoint itself",
                source=source,
            )
    for key in (*required, "num_key_value_heads", "head_dim", "max_position_embeddings"):
        value = config.get(key)
        absent = value is None and key not in required
        if not absent and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 2**31):
            raise InputError(
                f"{key} is absurd",
                field=key,
                value=value,
                rule="a whole number from 1 to 2^31",
                hint="correct the value in config.json",
                source=source,
            )
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    head_dim = config.get("head_dim") or _DEFAULT_HEAD_DIM.get(model_type)
    if head_dim is None:
        if hidden % heads:
            raise InputError(
                "hidden_size does not divide by num_attention_heads, and head_dim is not given",
                field="hidden_size",
                value=hidden,
                rule=f"a multiple of num_attention_heads = {heads}, unless head_dim is given",
                hint="add head_dim or correct one of the two",
                source=source,
            )
        head_dim = hidden // heads
    theta, scaling = _rope(config, source)
    # Qwen2 has no attention_bias key: its Q, K and V projections always carry one. Mistral never has a bias.
    bias = _switch(config, "attention_bias", source) and model_type in ("llama", "qwen3")
    file_name = Path(source).name if source else "config.json"
    renamed = Document(
        {
            "name": name,
            "title": name,
            "hidden_dim": hidden,
            "n_layers": config["num_hidden_layers"],
            "n_q_heads": heads,
            "n_kv_heads": config.get("num_key_value_heads") or heads,
            "head_dim": head_dim,
            "ffn_dim": config["intermediate_size"],
            "vocab_size": config["vocab_size"],
            "max_context_tokens": config.get("max_position_embeddings") or _DEFAULT_CONTEXT[model_type],
            "tied_embeddings": _switch(config, "tie_word_embeddings", source),
            "qk_norm": model_type == "qwen3",
            "qkv_bias": True if model_type == "qwen2" else bias,
            "output_bias": bias,
            "rms_norm_eps": 1e-6 if config.get("rms_norm_eps") is None else config["rms_norm_eps"],
            "rope_theta": theta,
            "rope_scaling": scaling,
            "ignored_keys": tuple(sorted(set(config) - _HARMLESS - _READ - set(_REFUSED_FEATURES))),
            "sources": {"": f"{file_name} as given by the user"},
        },
        source,
    )
    try:
        return validate(ModelConfig, renamed)
    except InputError as error:
        for one in error.errors if isinstance(error, InputErrors) else [error]:
            _name_as_in_config(one)
        raise


def _name_as_in_config(error: InputError) -> None:
    for ours, theirs in _CONFIG_KEYS.items():
        if error.field == ours:
            error.field = theirs
            error.message = error.message.replace(f"{ours}:", f"{theirs}:")
