"""PyTorch computes what NumPy computes: quantizers and integer layers bit for bit, the rest to rounding."""

from __future__ import annotations

import numpy as np
import pytest

from quantize.arrays import NumpyArrays, open_arrays
from quantize.decoder import Decoder
from quantize.evaluation import Evaluator, cut_windows
from quantize.integer_linear import linear, prepare, quantize_asymmetric, quantize_symmetric
from quantize.precision import Precision
from quantize.rounding import RoundedWeight
from quantize.weight_bank import WeightBank, unquantized
from spec.scheme_names import scheme_named
from tests.quantize.tiny import ids_of, tiny_bank, tiny_calibration, tiny_model

pytestmark = pytest.mark.needs_torch


@pytest.mark.parametrize("bits", [4, 8, 12])
@pytest.mark.parametrize(("d_in", "groups"), [(96, 1), (1100, 1), (96, 6)])
def test_integer_layers_are_bit_for_bit_those_of_numpy(bits: int, d_in: int, groups: int) -> None:
    numpy, torch = NumpyArrays(), open_arrays("torch")
    generator = np.random.default_rng(bits)
    x = (generator.standard_normal((40, d_in)) * generator.lognormal(0, 2, (40, 1))).astype(np.float32)
    x[0], x[1, :3] = 0.0, [1e-41, -0.0, 1e-38]
    weight = RoundedWeight(
        generator.integers(-128, 128, (24, d_in)).astype(np.int16),
        generator.lognormal(0, 1, (24, groups)).astype(np.float32),
    )
    for quantizer in (quantize_asymmetric, quantize_symmetric):
        ours = linear(numpy, quantizer(numpy, x, bits), prepare(numpy, weight))
        theirs = linear(torch, quantizer(torch, torch.asarray(x), bits), prepare(torch, weight))
        assert np.array_equal(ours, torch.to_numpy(theirs))


@pytest.mark.parametrize("name", ["w16a16kv16", "w8a8kv8", "w4a4kv4"])
def test_perplexities_agree(name: str) -> None:
    scheme, model = scheme_named(name), tiny_model()
    text = cut_windows("random", "text", ids_of(3, 192), 48, 48, None, 64)
    precision = Precision(scheme, 3)
    ours = Evaluator(tiny_bank(model, scheme), text).measure(precision)
    bank = WeightBank(model, scheme, "rtn", tiny_calibration(), open_arrays("torch"))
    theirs = Evaluator(bank, text).measure(precision)
    assert theirs.nll == pytest.approx(ours.nll, rel=1e-5 if name == "w16a16kv16" else 0.02)


def test_unquantized_logits_agree_closely() -> None:
    model, ids = tiny_model(), ids_of(9, 30)
    precision = Precision(unquantized(scheme_named("w8a8kv8")), 3)
    ours = Decoder(NumpyArrays(), tiny_bank(model)).forward(ids[None], precision)
    torch = open_arrays("torch")
    bank = WeightBank(model, scheme_named("w8a8kv8"), "rtn", tiny_calibration(), torch)
    assert np.allclose(ours, torch.to_numpy(Decoder(torch, bank).forward(ids[None], precision)), atol=2e-4)
