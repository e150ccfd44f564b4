"""Inputs of spec/vectors/nonlinear*.json: seeded, corner cases first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hls_gen.golden.rope import rope_table
from hls_gen.golden.stimulus import activations
from tests.hls_gen.exact import hex_of, random_bits

SECTIONS = (
    "exp", "rsqrt", "sum_of_squares", "rms_norm", "rope", "softmax", "swiglu", "quantize", "quantize_static",
    "dequantize_symmetric", "hadamard", "sample",
)  # fmt: skip

Case = dict[str, Any]


def hexa(bits: list[int]) -> list[str]:
    return [f"{value:08x}" for value in bits]


def make_inputs() -> dict[str, list[Case]]:
    """Seeded inputs of every section, corner cases first."""
    rng = np.random.default_rng(20261122)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    edges = [0.0, -0.0, 1.0, -1.0, 88.0, -88.0, 87.5, -87.25, -87.5, 100.0, -1e30, 1e30, 1e-30, -1e-9, 2.0**-24]
    steps = [math.log(2) * k / 256 for k in (-600, -256, -255, -1, 1, 255, 256, 12345)]
    cases: dict[str, list[Case]] = {section: [] for section in SECTIONS}
    cases["exp"].append({"x": hex_of(np.array([*edges, *steps]))})
    cases["exp"].append({"x": hexa(random_bits(rng, 48, -26, 7))})
    cases["rsqrt"].append({"x": hex_of(np.abs(np.concatenate([normal(24), np.array([1e-12, 1.0, 2.0, 4.0, 1e30])])))})
    big = [2.0**23, 2.0**22.5, 1e20, -3e30, 1.0, 2.0**-21, 2.0**-22, 2.0**-22.5, 1e-10, 0.0]
    for x in (np.array(big), np.array([2.0**-10]), normal(40, scale=30), normal(64, scale=1e-5), np.zeros(3)):
        cases["sum_of_squares"].append({"x": hex_of(x)})
    for exponents in ((-24, 24), (-4, 4), (10, 22), (-23, -12)):
        cases["sum_of_squares"].append({"x": hexa(random_bits(rng, 33, *exponents))})
    for tokens, d, epsilon in ((4, 24, 1e-5), (2, 64, 1e-6), (4, 8, 1e-5)):
        x = normal(tokens, d)
        x[0] *= np.float32(300)
        x[-1] = 0
        gamma = np.abs(normal(d)) + np.float32(0.5)
        cases["rms_norm"].append(
            {"epsilon": hex_of(np.array([epsilon]))[0], "gamma": hex_of(gamma), "x": [hex_of(row) for row in x]}
        )
    for tokens, heads, head_dim in ((4, 3, 8), (2, 1, 16)):
        table = rope_table(tokens + 5, (10000.0 ** -(np.arange(head_dim // 2) * 2 / head_dim)).astype(np.float32))
        cos, sin = table.rows(5, tokens)
        x = normal(tokens, heads, head_dim)
        cases["rope"].append(
            {
                "cos": [hex_of(row) for row in cos],
                "sin": [hex_of(row) for row in sin],
                "x": [[hex_of(head) for head in token] for token in x],
            }
        )
    for heads, rows, keys, first, bits, spread in (
        (3, 2, 9, 7, 8, 3.0), (1, 4, 6, 0, 8, 1.0), (3, 4, 12, 3, 12, 20.0), (1, 1, 1, 0, 8, 1.0), (1, 2, 7, 5, 16, 2.0),
    ):  # fmt: skip
        scores = normal(heads, rows, keys, scale=spread)
        cases["softmax"].append(
            {"bits": bits, "first_position": first, "scores": [[hex_of(row) for row in head] for head in scores]}
        )
    gates = np.concatenate([normal(24, scale=3), np.array([0.0, -0.0, 100.0, -100.0, -88.0, 20.0, -20.0, 1e-20])])
    cases["swiglu"].append({"gate": hex_of(gates), "up": hex_of(normal(32))})
    tokens = activations(rng, 16, 24)[:, :24]
    for number, (symmetric, bits, reciprocal) in enumerate(
        (s, b, r) for s in (True, False) for b in (4, 6, 8, 16) for r in (True, False)
    ):
        for x in (tokens[number], tokens[(number * 7 + 3) % 16], normal(24)):
            cases["quantize"].append({"symmetric": symmetric, "bits": bits, "reciprocal": reciprocal, "x": hex_of(x)})
    ties = np.array([0.5, 1.5, -0.5, -1.5, 2.5, 7.5, -8.5, 126.5, 127.5, -127.5, -128.5, 1e9, -1e9, 0.0, -0.0, 0.4999])
    for bits in (4, 8):
        for inverse in (1.0, 11.3, 0.0):
            x = np.concatenate([ties, normal(8, scale=2)])
            cases["quantize_static"].append({"bits": bits, "inverse": hex_of(np.array([inverse]))[0], "x": hex_of(x)})
    for total in (0, 1, -1, 2**24 + 1, 2**24 + 3, -(2**24) - 1, 2**31 - 1, -(2**31), 25165823):
        scales = normal(2, scale=0.01)
        names = zip(("token_scale", "channel_scale"), hex_of(np.abs(scales)), strict=True)
        cases["dequantize_symmetric"].append({"sum": total, **dict(names)})
    for base, order in (
        (1, 2), (1, 8), (1, 32), (12, 12), (12, 96), (20, 40), (28, 28), (36, 72), (44, 44), (76, 76), (140, 140), (28, 112),
    ):  # fmt: skip
        cases["hadamard"].append({"base": base, "x": hex_of(normal(order))})
    for top_k, inverse_temperature, seed in ((1, 1.0, 7), (5, 1.0, 1), (5, 0.4, 99), (8, 3.0, 2**32 - 1)):
        logits = np.round(normal(12, 21, scale=4), 1)  # rounded, so that some are equal
        logits[0, 3:6] = [9.5, 9.5, -0.0]
        cases["sample"].append(
            {
                "top_k": top_k,
                "inverse_temperature": hex_of(np.array([inverse_temperature]))[0],
                "seed": seed,
                "logits": [hex_of(row) for row in logits],
            }
        )
    return cases
