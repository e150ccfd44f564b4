"""Forward pass of a decoder at any precision, in the integer arithmetic of the generated hardware.

Linear layers, quantizers, attention sums and the softmax weights follow spec/numerics.md. Norms, RoPE, SwiGLU, the
Hadamard transform and exp are computed in fp32 with the backend's own order of sums and its own exp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from quantize.arrays import Array, Arrays
from quantize.float_model import Fp32
from quantize.integer_linear import (
    FLOAT_BITS,
    PreparedWeight,
    Quantized,
    linear,
    quantize_asymmetric,
    quantize_static,
    quantize_static_range,
    quantize_symmetric,
)
from quantize.precision import Precision
from quantize.rotations import online_factors
from spec.model_config import ModelConfig
from spec.quality import TensorGroup

# Called with the site and its fp32 values before they are quantized: calibration watches through it.
Observer = Callable[[str, Array], None]


class Weights(Protocol):
    """Where the decoder takes its parameters from: a weight bank, or a quantized checkpoint."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def inverse_frequencies(self) -> Fp32: ...

    @property
    def embedding(self) -> Fp32:
        """(vocab_size, hidden_dim)."""
        ...

    def linear(self, names: tuple[str, ...], bits: tuple[int, ...]) -> PreparedWeight:
        """The layers of those names, one below the other, each at its width."""
        ...

    def norm(self, name: str) -> Fp32 | None:
        """Gamma of the norm of that name, None where it is all ones."""
        ...

    def bias(self, names: tuple[str, ...]) -> Fp32 | None:
        """Biases of the layers, one after the other; None where they have none."""
        ...

    def static_scale(self, site: str, bits: int) -> Fp32:
        """The static scale of a site: (heads,) of `layers.3.self_attn.k`, (1,) of an activation."""
        ...

    def static_range(self, site: str, bits: int) -> tuple[np.float32, np.float32]:
        """(zero point, scale) of the static asymmetric grid of an activation."""
        ...


@dataclass(eq=False)
class Decoder:
    """The model on one array backend. `forward` takes windows of token ids and returns normalised hidden states."""

    xp: Arrays
    weights: Weights
    observe: Observer | None = None

    def forward(self, token_ids: npt.NDArray[np.int64], precision: Precision) -> Array:
        """Hidden states after the last norm, (windows, tokens, hidden_dim), of `token_ids` (windows, tokens)."""
        config = self.weights.config
        windows, tokens = token_ids.shape
        rope = self._rope_tables(tokens)
        x = self.xp.asarray(self.weights.embedding[token_ids.reshape(-1)])
        for i in range(config.n_layers):
            x = x + self._attention(x, i, (windows, tokens), rope, precision)
            x = x + self._feed_forward(x, i, precision)
        return self._norm(x, "norm").reshape(windows, tokens, config.hidden_dim)

    def logits(self, hidden: Array, precision: Precision) -> Array:
        """(tokens, vocab_size) of `hidden` (tokens, hidden_dim)."""
        return self._linear(hidden, "lm_head", "activation.lm_head", ("lm_head",), 0, precision)

    def _attention(
        self, x: Array, i: int, shape: tuple[int, int], rope: tuple[Array, Array], precision: Precision
    ) -> Array:
        xp, config, name = self.xp, self.weights.config, f"layers.{i}.self_attn"
        windows, tokens = shape
        normed = self._norm(x, f"layers.{i}.input_layernorm")
        projections = tuple(f"{name}.{p}_proj" for p in "qkv")
        qkv = self._linear(normed, f"{name}.input", "activation.attention", projections, i, precision)
        first, second = config.q_dim, config.q_dim + config.kv_dim
        q = self._heads(qkv[:, :first], config.n_q_heads, shape)
        k = self._heads(qkv[:, first:second], config.n_kv_heads, shape)
        v = self._heads(qkv[:, second:], config.n_kv_heads, shape)
        if config.qk_norm:
            q, k = self._norm(q, f"{name}.q_norm"), self._norm(k, f"{name}.k_norm")
        q, k = self._rotate(q, rope), self._rotate(k, rope)
        if precision.scheme.transforms_heads:
            q, k = self._transform(q, None), self._transform(k, None)
        root = float(np.float32(1 / math.sqrt(config.head_dim)))
        q, q_scale = self._operand(q, f"{name}.q", precision.bits("attention", i), precision, root)
        k, k_scale = self._operand(k, f"{name}.k", precision.bits("key", i), precision)
        v, v_scale = self._operand(v, f"{name}.v", precision.bits("value", i), precision)
        out = self._scores_and_values(q, q_scale, k, k_scale, v, v_scale, i, precision)
        mixed = xp.swap(out, 1, 2).reshape(windows * tokens, config.q_dim)
        return self._linear(mixed, f"{name}.output", "activation.attention", (f"{name}.o_proj",), i, precision)

    def _scores_and_values(
        self, q: Array, q_scale: Array, k: Array, k_scale: Array, v: Array, v_scale: Array, i: int, precision: Precision
    ) -> Array:
        """Causal attention (windows, n_q_heads, tokens, head_dim); scales broadcast as (windows | 1, heads, tokens | 1, 1)."""
        xp, config = self.xp, self.weights.config
        bits = precision.bits("attention", i)
        tokens, group = q.shape[2], config.gqa_group
        causal = xp.asarray(np.tril(np.ones((tokens, tokens), dtype=np.bool_)))
        rows = []
        for head in range(config.n_q_heads):
            kv = head // group
            sums = xp.integer_sums(q[:, head], xp.transpose(k[:, kv]), _product_bound(bits, precision.bits("key", i)))
            # dynamic scales differ by key: theirs multiply the columns
            by_key = xp.transpose(_at(k_scale, kv))
            scores = _fp32(sums) * (_at(q_scale, head) * by_key)
            scores = xp.where(causal, scores, -math.inf)
            powers = xp.exp(scores - xp.max(scores))  # exp(-inf) is 0: a masked key has weight 0
            values, value_scale = v[:, kv], _at(v_scale, kv)
            if bits >= FLOAT_BITS:
                rows.append(xp.matmul(powers / xp.sum(powers), values * value_scale))
                continue
            top = 2**bits - 1
            p = xp.rint(powers * float(top))
            if value_scale.shape[-2] > 1:  # a scale for each token cannot leave the sum over tokens
                rows.append(xp.matmul(p, values * value_scale) / xp.sum(p))
                continue
            mixed = xp.integer_sums(p, values, top * _magnitude(precision.bits("value", i)))
            rows.append(_fp32(mixed) * (value_scale / xp.sum(p)))
        return _stack(xp, rows)

    def _feed_forward(self, x: Array, i: int, precision: Precision) -> Array:
        xp, name = self.xp, f"layers.{i}.mlp"
        normed = self._norm(x, f"layers.{i}.post_attention_layernorm")
        both = self._linear(
            normed, f"{name}.input", "activation.gate_up", (f"{name}.gate_proj", f"{name}.up_proj"), i, precision
        )
        width = self.weights.config.ffn_dim
        gate, up = both[:, :width], both[:, width:]
        hidden = gate / (xp.exp(-gate) + 1.0) * up
        if precision.scheme.transforms_down_input:
            hidden = self._transform(hidden, precision.scheme.hadamard_block)
        return self._linear(hidden, f"{name}.down", "activation.down", (f"{name}.down_proj",), i, precision)

    def _transform(self, x: Array, block: int | None) -> Array:
        """The online Hadamard transform of the last axis."""
        xp = self.xp
        base, power = (xp.asarray(f.astype(np.float32)) for f in online_factors(x.shape[-1], block))
        order = len(base) * len(power)
        rows = xp.matmul(x.reshape(-1, len(power)), xp.transpose(power))
        if len(base) > 1:
            rows = xp.matmul(base, rows.reshape(-1, len(base), len(power)))
        return rows.reshape(-1, order).reshape(x.shape)

    def _linear(
        self, x: Array, site: str, group: TensorGroup, names: tuple[str, ...], layer: int, precision: Precision
    ) -> Array:
        if self.observe is not None:
            self.observe(site, x)
        weight = self.weights.linear(names, tuple(precision.weight_bits(name) for name in names))
        quantized = self._activation(x, site, precision.bits(group, layer), precision)
        y = linear(self.xp, quantized, weight)
        bias = self.weights.bias(names)
        return y if bias is None else y + self.xp.asarray(bias)

    def _activation(self, x: Array, site: str, bits: int, precision: Precision) -> Quantized:
        scheme, xp = precision.scheme, self.xp
        if bits >= FLOAT_BITS:
            return Quantized(x, xp.asarray(np.ones((1, 1), dtype=np.float32)), None, bits)
        if scheme.activation_scale == "static_per_tensor" and scheme.activation_symmetry == "asymmetric":
            low, step = (xp.asarray(np.full((1, 1), v)) for v in self.weights.static_range(site, bits))
            return quantize_static_range(xp, x, low, step, bits)
        if scheme.activation_scale == "static_per_tensor":
            scale = xp.asarray(self.weights.static_scale(site, bits).reshape(1, 1))
            return Quantized(quantize_static(xp, x, 1.0 / scale, bits), scale, None, bits)
        dynamic = quantize_asymmetric if scheme.activation_symmetry == "asymmetric" else quantize_symmetric
        return dynamic(xp, x, bits)

    def _operand(
        self, x: Array, site: str, bits: int, precision: Precision, factor: float = 1.0
    ) -> tuple[Array, Array]:
        """Integers and scales of `factor` * x, x a query, key or value (windows, heads, tokens, head_dim)."""
        xp = self.xp
        if self.observe is not None:
            self.observe(site, x * factor)
        if bits >= FLOAT_BITS:
            return x, xp.asarray(np.full((1, x.shape[1], 1, 1), factor, dtype=np.float32))
        if precision.scheme.attention_scale == "dynamic_per_token":
            quantized = quantize_symmetric(xp, x, bits)
            return quantized.q, quantized.scale * factor
        scale = xp.asarray(self.weights.static_scale(site, bits).reshape(1, -1, 1, 1))
        return quantize_static(xp, x, factor / scale, bits), scale

    def _heads(self, x: Array, heads: int, shape: tuple[int, int]) -> Array:
        return self.xp.swap(x.reshape(*shape, heads, self.weights.config.head_dim), 1, 2)

    def _norm(self, x: Array, name: str) -> Array:
        mean = self.xp.sum(x * x) / float(x.shape[-1])
        y = x / self.xp.sqrt(mean + float(np.float32(self.weights.config.rms_norm_eps)))
        gamma = self.weights.norm(name)
        return y if gamma is None else y * self.xp.asarray(gamma)

    def _rope_tables(self, tokens: int) -> tuple[Array, Array]:
        angles = np.arange(tokens, dtype=np.float32)[:, None] * self.weights.inverse_frequencies[None, :]
        wide = angles.astype(np.float64)
        return (
            self.xp.asarray(np.cos(wide).astype(np.float32)),
            self.xp.asarray(np.sin(wide).astype(np.float32)),
        )

    def _rotate(self, x: Array, rope: tuple[Array, Array]) -> Array:
        cos, sin = rope
        half = x.shape[-1] // 2
        first, second = x[..., :half], x[..., half:]
        return self.xp.concatenate([first * cos - second * sin, second * cos + first * sin])


def _at(scale: Array, head: int) -> Array:
    """The scales of one head, (windows | 1, tokens | 1, 1)."""
    return scale[:, head]


def _magnitude(bits: int) -> int:
    return 1 << (bits - 1)


def _product_bound(a_bits: int, b_bits: int) -> int:
    """Largest product of two signed operands; 1 where one of them is not an integer, whose sums nothing keeps exact."""
    return _magnitude(a_bits) * _magnitude(b_bits) if max(a_bits, b_bits) < FLOAT_BITS else 1


def _fp32(values: Array) -> Array:
    return values.astype(np.float32, copy=False) if isinstance(values, np.ndarray) else values.float()


def _stack(xp: Arrays, rows: list[Array]) -> Array:
    """(windows, heads, tokens, head_dim) of one (windows, tokens, head_dim) a head."""
    windows, tokens, width = rows[0].shape
    return xp.swap(xp.concatenate(rows).reshape(windows, tokens, len(rows), width), 1, 2)
