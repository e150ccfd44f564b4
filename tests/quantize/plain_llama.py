"""A Llama in float64, written from the equations: the oracle of the decoder. Shares no code with it."""

from __future__ import annotations

import numpy as np

from quantize.float_model import FloatModel


def logits(model: FloatModel, token_ids: np.ndarray) -> np.ndarray:
    """(tokens, vocab_size) of one window of token ids."""
    config = model.config
    tensors = {name: values.astype(np.float64) for name, values in model.tensors.items()}
    tokens = len(token_ids)
    angle = np.outer(np.arange(tokens), model.inverse_frequencies.astype(np.float64))
    turn = np.exp(1j * angle)  # each pair (i, i + half) as one complex number

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + config.rms_norm_eps) * tensors[f"{name}.weight"]

    def project(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0.0)

    def rope(x: np.ndarray) -> np.ndarray:
        half = config.head_dim // 2
        turned = (x[..., :half] + 1j * x[..., half:]) * turn[:, None, :]
        return np.concatenate([turned.real, turned.imag], axis=-1)

    x = tensors["embed_tokens.weight"][token_ids]
    for i in range(config.n_layers):
        name = f"layers.{i}.self_attn"
        h = norm(x, f"layers.{i}.input_layernorm")
        q = project(h, f"{name}.q_proj").reshape(tokens, config.n_q_heads, -1)
        k = project(h, f"{name}.k_proj").reshape(tokens, config.n_kv_heads, -1)
        v = project(h, f"{name}.v_proj").reshape(tokens, config.n_kv_heads, -1)
        if config.qk_norm:
            q, k = norm(q, f"{name}.q_norm"), norm(k, f"{name}.k_norm")
        q, k = rope(q), rope(k)
        out = np.zeros_like(q)
        for head in range(config.n_q_heads):
            kv = head // (config.n_q_heads // config.n_kv_heads)
            for t in range(tokens):
                scores = k[: t + 1, kv] @ q[t, head] / np.sqrt(config.head_dim)
                weights = np.exp(scores - scores.max())
                out[t, head] = weights @ v[: t + 1, kv] / weights.sum()
        x = x + project(out.reshape(tokens, -1), f"{name}.o_proj")
        h = norm(x, f"layers.{i}.post_attention_layernorm")
        gate, up = project(h, f"layers.{i}.mlp.gate_proj"), project(h, f"layers.{i}.mlp.up_proj")
        x = x + project(gate / (1 + np.exp(-gate)) * up, f"layers.{i}.mlp.down_proj")
    return project(norm(x, "norm"), "lm_head")
