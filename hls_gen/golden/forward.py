"""A whole Llama on the numerics of spec/numerics.md: prefill, decode, KV cache; every intermediate by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hls_gen.golden.activation import swiglu
from hls_gen.golden.attention import attention, attention_constants
from hls_gen.golden.elementary import Int64
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.hadamard import hadamard
from hls_gen.golden.normalization import rms_norm
from hls_gen.golden.number_format import FP32, NumberFormat
from hls_gen.golden.projection import project_tokens
from hls_gen.golden.quantization import QuantizedTokens, Quotient, Symmetry, quantize_dynamic, quantize_static
from hls_gen.golden.rope import RopeTable, rope, rope_table
from hls_gen.golden.sampling import Sampling, Xorshift32, choose
from spec.errors import InputError
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import QuantizedCheckpoint

Trace = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One decoded token: what came out, and every intermediate."""

    token: int
    logits: Fp32
    trace: Trace


@dataclass(slots=True)
class LayerCache:
    """Quantized keys and values of one layer, (tokens, KV heads, head_dim)."""

    keys: Int64
    values: Int64

    def append(self, keys: Int64, values: Int64) -> None:
        self.keys = np.concatenate([self.keys, keys])
        self.values = np.concatenate([self.values, values])


@dataclass(slots=True)
class GoldenModel:
    """The reference of one checkpoint. It holds the KV cache: calls continue where the last one stopped.

    The quotients are those of the design's quantizers in each stage.

    Raises:
        InputError: a quantization mode that no module of the library has.
    """

    checkpoint: QuantizedCheckpoint
    prefill_quotient: Quotient = Quotient.DIVIDE
    decode_quotient: Quotient = Quotient.DIVIDE
    number: NumberFormat = FP32
    caches: list[LayerCache] = field(init=False)
    _symmetry: Symmetry = field(init=False)

    def __post_init__(self) -> None:
        refuse_unbuilt_modes(self.checkpoint.header.quant_scheme)
        self._symmetry = Symmetry(self.checkpoint.header.quant_scheme.activation_symmetry)
        model = self.checkpoint.model
        empty = np.zeros((0, model.n_kv_heads, model.head_dim), dtype=np.int64)
        self.caches = [LayerCache(empty, empty) for _ in range(model.n_layers)]

    @property
    def position(self) -> int:
        """Tokens in the KV cache."""
        return len(self.caches[0].keys)

    def prefill(self, token_ids: Sequence[int]) -> Trace:
        """Take in a prompt, or a further part of it; the trace's arrays are (tokens, channels)."""
        trace: Trace = {}
        self._hidden(token_ids, self.prefill_quotient, trace)
        return trace

    def prefill_rows(self, rows: Fp32) -> Trace:
        """As `prefill`, of embeddings (tokens, hidden_dim): what an HMT plug-in gives has no token ids."""
        trace: Trace = {}
        self._layers(self.number.rounded(rows), self.prefill_quotient, trace)
        return trace

    def forget(self, kept_tokens: int = 0) -> None:
        """Drop all but the first tokens from the KV cache."""
        for cache in self.caches:
            cache.keys, cache.values = cache.keys[:kept_tokens], cache.values[:kept_tokens]

    def decode(self, token_id: int, pick: Callable[[Fp32], int] | None = None) -> Step:
        """Take in one token and choose the next, greedily unless `pick` chooses from the logits (vocab,)."""
        trace: Trace = {}
        hidden = self._hidden([token_id], self.decode_quotient, trace)
        logits = self._logits(hidden, trace)[0]
        token = pick(logits) if pick is not None else int(np.argmax(logits))
        trace["token"] = np.array([token])
        return Step(token, logits, trace)

    def generate(
        self, prompt: Sequence[int], count: int, sampling: Sampling | None = None, stop: Iterable[int] = ()
    ) -> Iterator[Step]:
        """Prefill all of `prompt` but its last token, then at most `count` steps, the last one where it chose a `stop`."""
        sampling = sampling or Sampling()
        random = Xorshift32(sampling.seed)
        ends = frozenset(stop)
        if len(prompt) > 1:
            self.prefill(prompt[:-1])
        token = prompt[-1]
        for _ in range(count):
            step = self.decode(token, lambda logits: choose(logits, sampling, random))
            yield step
            token = step.token
            if token in ends:
                return

    def _logits(self, hidden: Fp32, trace: Trace) -> Fp32:
        normed = self._norm(hidden, "norm.weight")
        tokens = self._quantize(normed, self.decode_quotient)
        logits = project_tokens(tokens, self.checkpoint.linear("lm_head"), self._symmetry, self.number)
        trace |= {"final_norm": normed, "logits": logits}
        return logits

    def _hidden(self, token_ids: Sequence[int], quotient: Quotient, trace: Trace) -> Fp32:
        return self._layers(self.embedded(token_ids), quotient, trace)

    def embedded(self, token_ids: Sequence[int]) -> Fp32:
        """Rows of the embedding table, (tokens, hidden_dim)."""
        return self.number.rounded(self.checkpoint["embed_tokens.weight"][np.asarray(token_ids)])

    def _layers(self, x: Fp32, quotient: Quotient, trace: Trace) -> Fp32:
        trace["embedding"] = x
        table = rope_table(self.position + len(x), self.checkpoint["rope.inverse_frequencies"])
        table = table.rows(self.position, len(x))
        for layer, cache in enumerate(self.caches):
            named: Trace = {}
            x = self._attention_half(x, layer, cache, table, quotient, named)
            x = self._ffn_half(x, layer, quotient, named)
            trace |= {f"layer.{layer}.{name}": values for name, values in named.items()}
        return x

    def _quantize(self, x: Fp32, quotient: Quotient) -> QuantizedTokens:
        bits = self.checkpoint.header.quant_scheme.activation_bits
        return quantize_dynamic(x, bits, self._symmetry, quotient, self.number)

    def _norm(self, x: Fp32, weight: str) -> Fp32:
        gamma = self.number.rounded(self.checkpoint[weight])
        return rms_norm(x, gamma, self.checkpoint.model.rms_norm_eps, self.number)

    def _project(self, tokens: QuantizedTokens, layer: int, name: str) -> Fp32:
        linear = self.checkpoint.linear(f"layers.{layer}.{name}_proj")
        return project_tokens(tokens, linear, self._symmetry, self.number)

    def _attention_half(
        self, x: Fp32, layer: int, cache: LayerCache, table: RopeTable, quotient: Quotient, named: Trace
    ) -> Fp32:
        """RMSNorm to the first residual."""
        model, scheme = self.checkpoint.model, self.checkpoint.header.quant_scheme
        prefix = f"layers.{layer}."
        normed = self._norm(x, f"{prefix}input_layernorm.weight")
        tokens = self._quantize(normed, quotient)
        q, k, v = (self._project(tokens, layer, f"self_attn.{operand}") for operand in "qkv")
        named |= {"rms_norm_1": normed, "q": q, "k": k, "v": v}
        q, k, v = (operand.reshape(len(x), -1, model.head_dim) for operand in (q, k, v))
        if model.qk_norm:
            q = self._norm(q, f"{prefix}self_attn.q_norm.weight")
            k = self._norm(k, f"{prefix}self_attn.k_norm.weight")
            named |= {"q_norm": _flat(q), "k_norm": _flat(k)}
        q, k = rope(q, table, self.number), rope(k, table, self.number)
        named |= {"q_rope": _flat(q), "k_rope": _flat(k)}
        if scheme.transforms_heads:
            q, k = hadamard(q, number=self.number), hadamard(k, number=self.number)
            named |= {"q_hadamard": _flat(q), "k_hadamard": _flat(k)}
        constants = attention_constants(self.checkpoint, layer, self.number)
        q8 = quantize_static(q, constants.q_inverse[:, None], scheme.attention_bits, self.number)
        k8 = quantize_static(k, constants.k_inverse[:, None], scheme.kv_bits, self.number)
        v8 = quantize_static(v, constants.v_inverse[:, None], scheme.kv_bits, self.number)
        cache.append(k8, v8)
        found = attention(q8, cache.keys, cache.values, constants, scheme.attention_bits, self.number)
        o_proj = self._project(self._quantize(_flat(found.output), quotient), layer, "self_attn.o")
        residual = self.number.add(x, o_proj)
        named |= {
            "q8": _flat(q8),
            "k8": _flat(k8),
            "v8": _flat(v8),
            "scores": found.scores,
            "weights": found.weights,
            "attention": _flat(found.output),
            "o_proj": o_proj,
            "residual_1": residual,
        }
        return residual

    def _ffn_half(self, x: Fp32, layer: int, quotient: Quotient, named: Trace) -> Fp32:
        """The second RMSNorm to the second residual."""
        scheme = self.checkpoint.header.quant_scheme
        normed = self._norm(x, f"layers.{layer}.post_attention_layernorm.weight")
        tokens = self._quantize(normed, quotient)
        gate, up = (self._project(tokens, layer, f"mlp.{name}") for name in ("gate", "up"))
        hidden = swiglu(gate, up, self.number)
        named |= {"rms_norm_2": normed, "gate": gate, "up": up, "swiglu": hidden}
        if scheme.transforms_down_input:
            hidden = hadamard(hidden, scheme.hadamard_block, self.number)
            named["hadamard"] = hidden
        down = self._project(self._quantize(hidden, quotient), layer, "mlp.down")
        residual = self.number.add(x, down)
        named |= {"down": down, "residual_2": residual}
        return residual


def _flat(heads: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(tokens, heads, head_dim) to (tokens, channels)."""
    return heads.reshape(len(heads), -1)


def refuse_unbuilt_modes(scheme: QuantScheme) -> None:
    """Raise InputError for a scheme that the library has no module for."""
    built = {
        "activation_scale": "dynamic_per_token",
        "weight_symmetry": "symmetric",
        "attention_scale": "static_per_head",
    }
    for name, value in built.items():
        if getattr(scheme, name) != value:
            raise InputError(
                f"the reference computes {name} {value} only",
                field=f"quant_scheme.{name}",
                value=getattr(scheme, name),
                rule=value,
                hint="quantize the model with that mode",
            )
