"""The rotated weights of a model at every width that somebody asks for: rounded once, kept in memory and on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.arrays import Array, Arrays
from quantize.calibration import CalibrationTokens, SiteSamples, range_of, static_range, static_scale
from quantize.decoder import Decoder
from quantize.float_model import FloatModel, Fp32
from quantize.gptq import gptq
from quantize.integer_linear import FLOAT_BITS, PreparedWeight, prepare, prepare_float
from quantize.memory import guarded, live_bytes
from quantize.precision import Precision, online_rotations
from quantize.rotations import rotate
from quantize.rounding import RoundedWeight, grid_of, joined_grids, round_to_nearest
from spec.model_config import ModelConfig
from spec.quality import FoldedRotations, QuantMode, Rounding, mode_of
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import Rotation, linear_names

# At 8 bits GPTQ and rounding to nearest give the same perplexity within the noise of sampling (docs/quality.md).
GPTQ_BELOW_BITS = 8

# To be raised with every change of decoder, rounding, rotation or GPTQ that gives other numbers: results kept on disk by an
# older version are then measured again.
ARITHMETIC_VERSION = 1

Progress = Callable[[str], None]


def unquantized(scheme: QuantScheme) -> QuantScheme:
    """The scheme with every width at 16, "not quantized"; its transforms stay."""
    widths = dict.fromkeys(
        ("weight_bits", "activation_bits", "kv_bits", "attention_bits", "lm_head_weight_bits"), FLOAT_BITS
    )
    return scheme.model_copy(update={"name": "unquantized", **widths})


def rotations_of(scheme: QuantScheme, folded: FoldedRotations) -> tuple[Rotation, ...]:
    """All rotations of a scheme, in order."""
    offline: tuple[Rotation, ...] = ("r1", "r2") if folded == "r1_r2" else ()
    return (*offline, *online_rotations(scheme))


def _silent(_: str) -> None:
    pass


@dataclass(eq=False)
class WeightBank:
    """Parameters of the decoder at any widths within one mode (rotations, rounding, scale kinds).

    Args:
        model: the unquantized model as its checkpoint has it.
        scheme: gives the mode; its widths do not matter here.
        calibration: tokens for GPTQ and for static scales.
        cache: folder for rounded weights, so that an interrupted run goes on where it was; None keeps them in memory only.
    """

    model: FloatModel
    scheme: QuantScheme
    rounding: Rounding
    calibration: CalibrationTokens
    xp: Arrays
    folded: FoldedRotations = "r1_r2"
    seed: int = 0
    cache: Path | None = None
    progress: Progress = _silent
    rotated: FloatModel = field(init=False)
    _rounded: dict[tuple[str, int], RoundedWeight] = field(init=False, default_factory=dict)
    _samples: dict[str, Fp32] | None = field(init=False, default=None)
    _scales: dict[tuple[str, int], Fp32] = field(init=False, default_factory=dict)
    _fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.progress("rotating the weights")
        rotations = rotations_of(self.scheme, self.folded)
        with guarded("rotating the weights", self.model.config):
            self.rotated = rotate(self.model, rotations, self.seed, self.scheme.hadamard_block)

        # Every rotation is in one of these two layers: integers of another rotation must never be taken for ours.
        turned = [self.rotated[f"layers.0.{name}.weight"] for name in ("self_attn.o_proj", "mlp.down_proj")]
        self._fingerprint = hashlib.sha256(b"".join(weight.tobytes() for weight in turned)).hexdigest()

    @property
    def mode(self) -> QuantMode:
        return mode_of(self.scheme, self.rounding, self.folded)

    @property
    def config(self) -> ModelConfig:
        return self.rotated.config

    @property
    def live_bytes(self) -> int:
        """Bytes of all weights that are in memory now: as loaded, rotated, rounded."""
        rounded = (array for weight in self._rounded.values() for array in (weight.integers, weight.scale))
        return live_bytes([*self.model.tensors.values(), *self.rotated.tensors.values(), *rounded])

    @property
    def inverse_frequencies(self) -> Fp32:
        return self.rotated.inverse_frequencies

    @property
    def embedding(self) -> Fp32:
        return self.rotated["embed_tokens.weight"]

    def key(self, *parts: object) -> str:
        """A hash of everything that rounded weights and scales depend on, and of `parts`."""
        identity = {
            "arithmetic": ARITHMETIC_VERSION,
            "backend": self.xp.name,
            "source": self.model.source.sha256,
            "mode": self.mode.model_dump(mode="json"),
            "seed": self.seed,
            "calibration": self.calibration.text.sha256,
            "rotated": self._fingerprint,
            "parts": [str(part) for part in parts],
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def rounded(self, name: str, bits: int) -> RoundedWeight:
        """The linear layer of that name at `bits`."""
        if (name, bits) not in self._rounded:
            if self.rounding == "gptq" and bits < GPTQ_BELOW_BITS:
                self._round_all_by_gptq(bits)
            else:
                with guarded(f"rounding {name}", self.config):
                    self._rounded[name, bits] = round_to_nearest(self.rotated[f"{name}.weight"], bits, self.scheme)
        return self._rounded[name, bits]

    def linear(self, names: tuple[str, ...], bits: tuple[int, ...]) -> PreparedWeight:
        if max(bits) >= FLOAT_BITS:
            parts = [self._values(name, b) for name, b in zip(names, bits, strict=True)]
            return prepare_float(self.xp, np.concatenate(parts))
        rounded = [self.rounded(name, b) for name, b in zip(names, bits, strict=True)]
        return prepare(self.xp, joined(rounded))

    def norm(self, name: str) -> Fp32 | None:
        gamma = self.rotated[f"{name}.weight"]
        return None if (gamma == 1).all() else gamma

    def bias(self, names: tuple[str, ...]) -> Fp32 | None:
        if f"{names[0]}.bias" not in self.rotated.tensors:
            return None
        return np.concatenate([self.rotated[f"{name}.bias"] for name in names])

    def static_scale(self, site: str, bits: int) -> Fp32:
        if self._samples is None:
            self._samples = self._observed_samples()
        if (site, bits) not in self._scales:
            self._scales[site, bits] = static_scale(self._samples[site], bits)
        return self._scales[site, bits]

    def static_range(self, site: str, bits: int) -> tuple[np.float32, np.float32]:
        if self._samples is None:
            self._samples = self._observed_samples()
        if range_of(site) not in self._samples:  # kept before ranges were
            self._samples = self._observe()
        return static_range(self._samples[site], self._samples[range_of(site)], bits)

    def _values(self, name: str, bits: int) -> Fp32:
        return self.rotated[f"{name}.weight"] if bits >= FLOAT_BITS else self.rounded(name, bits).values()

    def _observed_samples(self) -> dict[str, Fp32]:
        cached = self._cached("site-samples")
        return self._observe() if cached is None else cached

    def _observe(self) -> dict[str, Fp32]:
        self.progress("calibrating static scales")
        samples = SiteSamples(self.xp)
        scheme = unquantized(self.scheme)
        decoder = Decoder(self.xp, self, samples)
        with self._calibrating("calibrating static scales"):
            hidden = decoder.forward(self.calibration.ids, Precision(scheme, self.config.n_layers))
            samples("lm_head", hidden.reshape(-1, self.config.hidden_dim))
        self._store("site-samples", dict(samples.samples))
        return samples.samples

    def _round_all_by_gptq(self, bits: int) -> None:
        stored = self._cached("gptq", bits)
        if stored is None:
            with self._calibrating(f"rounding by GPTQ at {bits} bits"):
                rounded = _gptq_pass(self, bits)
            stored = {f"{name}.integers": weight.integers.astype(np.int8) for name, weight in rounded.items()}
            stored.update({f"{name}.scale": weight.scale for name, weight in rounded.items()})
            self._store("gptq", stored, bits)
        for name in linear_names(self.config):
            self._rounded[name, bits] = RoundedWeight(stored[f"{name}.integers"], stored[f"{name}.scale"])

    def _calibrating(self, doing: str) -> AbstractContextManager[None]:
        windows, tokens = self.calibration.ids.shape
        return guarded(doing, self.config, (windows, tokens))

    def _file(self, what: str, *parts: object) -> Path | None:
        return None if self.cache is None else self.cache / f"{what}-{self.key(what, *parts)[:32]}.safetensors"

    def _cached(self, what: str, *parts: object) -> dict[str, npt.NDArray[Any]] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        file = self._file(what, *parts)
        try:
            return load_file(file) if file is not None and file.is_file() else None
        except SafetensorError:
            self.progress(f"{file} is damaged: made again")
            return None

    def _store(self, what: str, arrays: dict[str, npt.NDArray[Any]], *parts: object) -> None:
        from safetensors.numpy import save_file

        file = self._file(what, *parts)
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
        try:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, partial)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def joined(parts: list[RoundedWeight]) -> RoundedWeight:
    """Several layers that read the same input as one layer."""
    if len(parts) == 1:
        return parts[0]
    return RoundedWeight(np.concatenate([p.integers for p in parts]), np.concatenate([p.scale for p in parts]))


@dataclass(eq=False)
class _GptqWeights:
    """Rounds each layer when the forward pass first reaches it, on the inputs that it then sees.

    So a layer compensates errors on activations that earlier, already rounded layers have produced.
    """

    bank: WeightBank
    bits: int
    rounded: dict[str, RoundedWeight] = field(default_factory=dict)
    _input: Array = None

    @property
    def config(self) -> ModelConfig:
        return self.bank.config

    @property
    def inverse_frequencies(self) -> Fp32:
        return self.bank.inverse_frequencies

    @property
    def embedding(self) -> Fp32:
        return self.bank.embedding

    def observe(self, site: str, x: Array) -> None:
        if x.ndim == 2:
            self._input = x

    def linear(self, names: tuple[str, ...], bits: tuple[int, ...]) -> PreparedWeight:
        xp = self.bank.xp
        x = self._input
        hessian = xp.to_numpy(xp.matmul(xp.transpose(x), x)).astype(np.float64) / x.shape[0]
        weights = [self.bank.rotated[f"{name}.weight"] for name in names]
        grids = [grid_of(weight, self.bits, self.bank.scheme, clip=True) for weight in weights]
        together = gptq(np.concatenate(weights), hessian, joined_grids(grids))
        first = 0
        for name, weight in zip(names, weights, strict=True):
            rows = slice(first, first + len(weight))
            self.rounded[name] = RoundedWeight(together.integers[rows], together.scale[rows])
            first += len(weight)
        if names[0].endswith("down_proj"):
            self.bank.progress(f"GPTQ at {self.bits} bits: layer {int(names[0].split('.')[1]) + 1}")
        return prepare_float(xp, together.values())

    def norm(self, name: str) -> Fp32 | None:
        return self.bank.norm(name)

    def bias(self, names: tuple[str, ...]) -> Fp32 | None:
        return self.bank.bias(names)

    def static_scale(self, site: str, bits: int) -> Fp32:
        return self.bank.static_scale(site, bits)

    def static_range(self, site: str, bits: int) -> tuple[np.float32, np.float32]:
        return self.bank.static_range(site, bits)


def _gptq_pass(bank: WeightBank, bits: int) -> dict[str, RoundedWeight]:
    weights = _GptqWeights(bank, bits)
    precision = Precision(unquantized(bank.scheme), bank.config.n_layers)
    hidden = Decoder(bank.xp, weights, weights.observe).forward(bank.calibration.ids, precision)
    bank.progress(f"GPTQ at {bits} bits: lm_head")
    weights.observe("lm_head", hidden.reshape(-1, bank.config.hidden_dim))
    weights.linear(("lm_head",), (bits,))
    return weights.rounded
