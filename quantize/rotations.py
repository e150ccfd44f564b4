"""Rotations that leave the model's function unchanged and spread outliers over all channels.

R1 turns the residual stream, R2 the values of each KV head: both are folded into weights. R4 is the Hadamard transform
before down_proj: the hardware performs it, its inverse is folded into down_proj here. R3 turns queries and keys after
RoPE: performed only (QuaRot, arXiv 2404.00456; SpinQuant, arXiv 2405.16406; names as in SpinQuant).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from quantize.float_model import FloatModel
from spec.errors import InputError
from spec.hadamard import BASES, hadamard_base
from spec.hadamard_matrix import factors, hadamard_matrix, paley_matrix
from spec.quantized_checkpoint import Rotation

Fp32 = npt.NDArray[np.float32]
Fp64 = npt.NDArray[np.float64]

ROTATIONS: tuple[Rotation, ...] = ("r1", "r2", "r3", "r4")


def offline_rotation(dim: int, seed: int) -> Fp64:
    """A seeded orthogonal matrix (dim, dim): Hadamard times random signs where one exists, else a random rotation.

    A folded rotation costs no hardware, so products of several bases serve too (576 = 12 * 12 * 4).
    """
    generator = np.random.default_rng(seed)
    matrix = _hadamard_product(dim)
    if matrix is None:
        q, r = np.linalg.qr(generator.standard_normal((dim, dim)))
        return np.asarray(q * np.sign(np.diag(r)))  # with this sign the distribution is uniform (Mezzadri 2007)
    return np.asarray(matrix / np.sqrt(dim) * generator.choice((-1.0, 1.0), dim))


def _hadamard_product(dim: int) -> Fp64 | None:
    if hadamard_base(dim) is not None:
        return hadamard_matrix(dim).astype(np.float64)
    for base in BASES[1:]:
        if dim % base == 0 and (rest := _hadamard_product(dim // base)) is not None:
            return np.asarray(np.kron(paley_matrix(base).astype(np.float64), rest), dtype=np.float64)
    return None


def online_factors(dim: int, block: int | None = None) -> tuple[Fp64, Fp64]:
    """The transform that the hardware performs on each `block` or `dim` channels: (base, power of two), orthonormal.

    A vector is a (len(base), len(power)) table: the second factor runs along its rows, the first along its columns.

    Raises:
        InputError: no such matrix, or a block that does not divide the dimension.
    """
    order = block or dim
    if dim % order or hadamard_base(order) is None:
        raise InputError(
            f"no online Hadamard transform of {dim} channels" + (f" in blocks of {order}" if block else ""),
            field="hadamard_block" if block else "online_hadamard",
            value=order,
            rule=f"a divisor of {dim} that is a power of two times one of {', '.join(map(str, BASES))}",
            hint="choose a hadamard_block that divides the dimension, or online_hadamard: none",
        )
    base, power = factors(order)
    return base / np.sqrt(len(base)), power / np.sqrt(len(power))


def fold_norms(model: FloatModel) -> FloatModel:
    """Each RMSNorm's gamma moved into the linear layers that read its output; the norms become ones."""
    tensors: dict[str, Fp32] = {}
    ones = np.ones(model.config.hidden_dim, dtype=np.float32)
    for i in range(model.config.n_layers):
        layer = f"layers.{i}"
        for norm, readers in (
            ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
            ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
        ):
            gamma = model[f"{layer}.{norm}.weight"]
            tensors[f"{layer}.{norm}.weight"] = ones
            for reader in readers:
                tensors[f"{layer}.{reader}.weight"] = model[f"{layer}.{reader}.weight"] * gamma
    tensors["lm_head.weight"] = model["lm_head.weight"] * model["norm.weight"]
    tensors["norm.weight"] = ones
    return model.with_tensors(tensors)


def rotate(
    model: FloatModel, rotations: Collection[Rotation], seed: int = 0, hadamard_block: int | None = None
) -> FloatModel:
    """`model` with folded norms and the weights' side of `rotations`; the caller performs R3 and R4 on activations."""
    model = fold_norms(model)
    if "r1" in rotations:
        model = _rotate_residual(model, offline_rotation(model.config.hidden_dim, seed))
    if "r2" in rotations:
        model = _rotate_values(model, offline_rotation(model.config.head_dim, seed + 1))
    if "r4" in rotations:
        model = _rotate_down_input(model, *online_factors(model.config.ffn_dim, hadamard_block))
    return model


def _times(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> Fp32:
    return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64)), dtype=np.float32)


def _rotate_residual(model: FloatModel, q: Fp64) -> FloatModel:
    tensors: dict[str, Fp32] = {name: _times(model[name], q) for name in ("embed_tokens.weight", "lm_head.weight")}
    for i in range(model.config.n_layers):
        for reader in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj"):
            name = f"layers.{i}.{reader}.weight"
            tensors[name] = _times(model[name], q)
        for writer in ("self_attn.o_proj", "mlp.down_proj"):
            name = f"layers.{i}.{writer}.weight"
            tensors[name] = _times(q.T, model[name])
        bias = f"layers.{i}.self_attn.o_proj.bias"
        if bias in model.tensors:
            tensors[bias] = _times(model[bias], q)
    return model.with_tensors(tensors)


def _rotate_values(model: FloatModel, r: Fp64) -> FloatModel:
    config = model.config
    tensors: dict[str, Fp32] = {}
    for i in range(config.n_layers):
        value, output = f"layers.{i}.self_attn.v_proj", f"layers.{i}.self_attn.o_proj.weight"
        rows = model[f"{value}.weight"].reshape(config.n_kv_heads, config.head_dim, -1)
        tensors[f"{value}.weight"] = _times(r.T, rows).reshape(config.kv_dim, -1)
        columns = model[output].reshape(-1, config.n_q_heads, config.head_dim)
        tensors[output] = _times(columns, r).reshape(-1, config.q_dim)
        if f"{value}.bias" in model.tensors:
            bias = model[f"{value}.bias"].reshape(config.n_kv_heads, config.head_dim)
            tensors[f"{value}.bias"] = _times(bias, r).reshape(-1)
    return model.with_tensors(tensors)


def _rotate_down_input(model: FloatModel, base: Fp64, power: Fp64) -> FloatModel:
    tensors = {}
    for i in range(model.config.n_layers):
        name = f"layers.{i}.mlp.down_proj.weight"
        table = model[name].reshape(-1, len(base), len(power)).astype(np.float64)
        turned = np.matmul(base, (table.reshape(-1, len(power)) @ power.T).reshape(table.shape))
        tensors[name] = turned.reshape(model.config.hidden_dim, -1).astype(np.float32)
    return model.with_tensors(tensors)
