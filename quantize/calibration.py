"""Static scales: what activations, queries, keys and values look like on a calibration text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from quantize.arrays import Array, Arrays
from quantize.rounding import CLIP_FRACTIONS, SMALLEST_SCALE, grid_scale
from spec.errors import InputError, echo
from spec.quantized_checkpoint import CalibrationText

Fp32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

# Values kept of each site and head: the clip of least error needs a sample, and the largest magnitude is always in it.
SAMPLE_VALUES = 8192


@dataclass(frozen=True, eq=False)
class CalibrationTokens:
    """Windows of token ids (windows, window_tokens) cut from a text at even distances."""

    ids: Ids
    text: CalibrationText


def calibration_tokens(
    name: str, text: str, encode: Callable[[str], Ids], windows: int = 16, window_tokens: int = 512
) -> CalibrationTokens:
    """Cut `windows` windows out of `text`, spread evenly.

    Raises:
        InputError: the text has fewer tokens than the windows need.
    """
    ids = encode(text)
    needed = windows * window_tokens
    if len(ids) < needed:
        raise InputError(
            f"the calibration text {echo(name)} is too short",
            field="calibration_text",
            value=f"{len(ids)} tokens",
            rule=f"at least {windows} windows of {window_tokens} tokens, {needed} together",
            hint="give a longer text, or fewer --calibration-windows",
        )
    starts = np.linspace(0, len(ids) - window_tokens, windows).astype(np.int64)
    cut = np.stack([ids[start : start + window_tokens] for start in starts])
    digest = hashlib.sha256(cut.tobytes()).hexdigest()
    return CalibrationTokens(
        cut, CalibrationText(name=name, sha256=digest, windows=windows, window_tokens=window_tokens)
    )


@dataclass(eq=False)
class SiteSamples:
    """Watches a forward pass of the unquantized model; afterwards `scale` answers for any width.

    Attributes:
        samples: (heads, values) of each site, one row for the input of a linear layer; at `range_of(site)` (heads, 2), the
            least and the largest value of all.
    """

    xp: Arrays
    samples: dict[str, Fp32] = field(default_factory=dict)

    def __call__(self, site: str, x: Array) -> None:
        values = self.xp.to_numpy(x)
        rows = values.swapaxes(0, 1).reshape(values.shape[1], -1) if values.ndim == 4 else values.reshape(1, -1)
        step = max(rows.shape[1] // SAMPLE_VALUES, 1)
        least, largest = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
        self.samples[range_of(site)] = np.concatenate([least, largest], axis=1)
        extreme = np.maximum(-least, largest)
        self.samples[site] = np.concatenate([rows[:, ::step][:, :SAMPLE_VALUES], extreme], axis=1)

    def scale(self, site: str, bits: int) -> Fp32:
        """(heads,): the symmetric scale of least squared error on the sample."""
        return static_scale(self.samples[site], bits)


def range_of(site: str) -> str:
    """The key of a site's least and largest value."""
    return f"{site}.range"


def static_scale(sample: Fp32, bits: int) -> Fp32:
    """(heads,) of `sample` (heads, values)."""
    return np.ascontiguousarray(grid_scale(sample, bits, clip=True)[:, 0])


def static_range(sample: Fp32, extremes: Fp32, bits: int) -> tuple[np.float32, np.float32]:
    """(zero point, scale) of an asymmetric grid: the part of the range that has the least squared error on `sample`.

    `sample` (1, values) and `extremes` (1, 2) of the input of a linear layer.
    """
    values, (low, high) = sample[0, :-1], extremes[0]
    levels, best = np.float32(2**bits - 1), (np.float32(0), np.float32(1))
    least = np.inf
    for fraction in np.array(CLIP_FRACTIONS, dtype=np.float32):
        zero, scale = low * fraction, np.maximum((high - low) * fraction / levels, SMALLEST_SCALE)
        q = np.clip(np.rint((values - zero) / scale), 0, levels)
        error = float(np.square(q * scale + zero - values).sum())
        if error < least:
            best, least = (zero, np.float32(scale)), error
    return best
