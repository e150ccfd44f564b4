"""The quality evaluator's decoder with the three functions replaced in which it differs from the generated hardware.

The evaluator sums RMSNorm and the Hadamard transform in the order of BLAS and takes exp, reciprocal root and square sums of
NumPy; the hardware has its own (spec/numerics.md). With those of the golden reference in their place, nothing is left: the
logits of both are equal bit for bit. So what the evaluator measures differs from the hardware by these roundings only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hls_gen.golden.elementary import exp
from hls_gen.golden.forward import GoldenModel
from hls_gen.golden.hadamard import hadamard
from hls_gen.golden.normalization import rms_norm
from quantize.arrays import Array, NumpyArrays
from quantize.checkpoint_weights import CheckpointWeights
from quantize.decoder import Decoder
from quantize.precision import Precision
from spec.quantized_checkpoint import QuantizedCheckpoint

Fp32 = npt.NDArray[np.float32]


class HardwareArrays(NumpyArrays):
    """NumPy with the hardware's exp."""

    name = "numpy with the hardware's exp"

    def exp(self, a: Array) -> Array:
        return exp(a)


class HardwareDecoder(Decoder):
    """The evaluator's decoder with the hardware's norms and Hadamard transforms."""

    def _norm(self, x: Array, name: str) -> Array:
        gamma = self.weights.norm(name)
        ones = np.ones(x.shape[-1], dtype=np.float32)
        return rms_norm(x, ones if gamma is None else gamma, self.weights.config.rms_norm_eps)

    def _transform(self, x: Array, block: int | None) -> Array:
        return hadamard(x, block)


def decoder_logits(decoder: Decoder, precision: Precision, token_ids: npt.NDArray[np.int64]) -> Fp32:
    """(tokens, vocab_size) of the evaluator."""
    found = decoder.logits(decoder.forward(token_ids[None], precision)[0], precision)
    return np.asarray(found, dtype=np.float32)


def golden_logits(checkpoint: QuantizedCheckpoint, token_ids: npt.NDArray[np.int64]) -> Fp32:
    """(tokens, vocab_size) of the golden reference of a generated project, token by token through its KV cache."""
    golden = GoldenModel(checkpoint)
    return np.stack([golden.decode(int(token)).logits for token in token_ids])


class Equality(NamedTuple):
    """How the evaluator's logits compare with the golden reference's.

    On the first `golden_tokens` tokens, bit by bit: `differing_logits` of `golden_logits` still differ once the evaluator
    uses the hardware's norm, transform and exp. So on all `tokens` that evaluator stands for the hardware, and the others
    tell what the three functions make of it: differences of logits over their standard deviation, tokens with the same best
    next token, mean negative log likelihoods (nats).
    """

    golden_tokens: int
    golden_logits: int
    differing_logits: int
    tokens: int
    rms_difference: float
    largest_difference: float
    same_best_token: int
    nll_evaluator: float
    nll_hardware: float


def compare(checkpoint: QuantizedCheckpoint, token_ids: npt.NDArray[np.int64], golden_tokens: int) -> Equality:
    """All on `token_ids`, the golden reference on the first `golden_tokens` of them."""
    header = checkpoint.header
    precision = Precision(header.quant_scheme, header.model.n_layers)
    plain, with_exp = NumpyArrays(), HardwareArrays()
    ours = decoder_logits(Decoder(plain, CheckpointWeights(checkpoint, plain)), precision, token_ids)
    hardware = decoder_logits(HardwareDecoder(with_exp, CheckpointWeights(checkpoint, with_exp)), precision, token_ids)
    golden = golden_logits(checkpoint, token_ids[:golden_tokens])
    difference = (ours - hardware) / hardware.std()
    return Equality(
        golden_tokens=golden_tokens,
        golden_logits=golden.size,
        differing_logits=int(np.count_nonzero(hardware[:golden_tokens] != golden)),
        tokens=len(token_ids),
        rms_difference=float(np.sqrt(np.square(difference, dtype=np.float64).mean())),
        largest_difference=float(np.abs(difference).max()),
        same_best_token=int((ours.argmax(axis=1) == hardware.argmax(axis=1)).sum()),
        nll_evaluator=_nll(ours, token_ids),
        nll_hardware=_nll(hardware, token_ids),
    )


def _nll(logits: Fp32, token_ids: npt.NDArray[np.int64]) -> float:
    """Mean negative log likelihood of each next token."""
    wide: npt.NDArray[Any] = logits[:-1].astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_probability[np.arange(len(wide)), token_ids[1:]].mean())
