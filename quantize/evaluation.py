"""Perplexity, KL divergence and top-1 agreement of a model at some precision, window by window, resumable."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quantize.arrays import Array, Arrays
from quantize.decoder import Decoder
from quantize.memory import check_memory
from quantize.precision import Precision
from quantize.weight_bank import WeightBank, unquantized
from spec.errors import FlexDSEError, InputError, echo
from spec.quality import Measurement, Protocol
from spec.quality import Protocol as TextProtocol

Ids = npt.NDArray[np.int64]

LOGIT_TOKENS = 256  # tokens whose logits are in memory at once: 50 MB of fp32 at a vocabulary of 49,152

Progress = Callable[[str], None]


class Window(NamedTuple):
    """Token ids of one window; the targets from `first_target` on are scored."""

    ids: Ids
    first_target: int


@dataclass(frozen=True, eq=False)
class EvaluationText:
    """A text cut into windows, and the protocol to be printed beside each number."""

    windows: tuple[Window, ...]
    protocol: TextProtocol

    @property
    def sha256(self) -> str:
        """A hash of the tokens and what of them is scored."""
        digest = hashlib.sha256()
        for window in self.windows:
            digest.update(window.ids.astype("<i8").tobytes() + f"|{window.first_target}|".encode())
        return digest.hexdigest()


def cut_windows(
    name: str, text: str, ids: Ids, window_tokens: int, stride_tokens: int, max_windows: int | None, vocab_size: int
) -> EvaluationText:
    """Windows over `ids`, each `stride_tokens` after the one before; tokens in the overlap are scored once.

    With `max_windows` the windows are spread evenly over the text. A rest shorter than a window is left out.

    Raises:
        InputError: fewer tokens than one window, a stride longer than a window, or ids outside the vocabulary.
    """
    if not 1 <= stride_tokens <= window_tokens:
        raise InputError(
            "the stride is longer than the window",
            field="stride",
            value=stride_tokens,
            rule=f"1 to window = {window_tokens} tokens",
            hint="take stride = window: no overlap, the standard protocol",
        )
    if len(ids) < window_tokens:
        raise InputError(
            f"the text {echo(name)} is too short",
            field="text",
            value=f"{len(ids)} tokens",
            rule=f"at least one window of {window_tokens} tokens",
            hint="give a longer text, or a shorter --window",
        )
    if ids.max() >= vocab_size:
        raise InputError(
            "the tokenizer does not belong to the model",
            field="tokenizer",
            value=f"token id {ids.max()}",
            rule=f"ids below vocab_size = {vocab_size}",
            hint="take the tokenizer of the model's own checkpoint",
        )
    starts = np.arange(0, len(ids) - window_tokens + 1, stride_tokens)
    if max_windows is not None and max_windows < len(starts):
        starts = starts[np.linspace(0, len(starts) - 1, max_windows).astype(np.int64)]
    windows = []
    for index, start in enumerate(starts):
        overlaps = index > 0 and starts[index - 1] + window_tokens > start
        first = int(starts[index - 1] + window_tokens - start) if overlaps else 1
        windows.append(Window(ids[start : start + window_tokens], first))
    protocol = Protocol(
        text=name,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        window_tokens=window_tokens,
        stride_tokens=stride_tokens,
        predicted_tokens=sum(len(window.ids) - window.first_target for window in windows),
    )
    return EvaluationText(tuple(windows), protocol)


class WindowResult(NamedTuple):
    """Sums over the scored tokens of one window."""

    tokens: int
    nll: float
    kl: float
    agreeing: int


@dataclass(eq=False)
class Evaluator:
    """Measures precisions of one bank on one text against the unquantized model.

    Args:
        cache: folder where each window's result is kept; the same measurement later reads it, an interrupted one goes on.
        compare: measure KL divergence and top-1 agreement too, which doubles the work of lm_head.
    """

    bank: WeightBank
    text: EvaluationText
    cache: Path | None = None
    progress: Progress = field(default=lambda _: None)
    compare: bool = True

    def __post_init__(self) -> None:
        bank, shape = self.bank, self.bank.calibration.ids.shape
        check_memory(
            bank.config,
            len(self.text.windows[0].ids),
            live=bank.live_bytes,
            calibration=(shape[0], shape[1]) if bank.rounding == "gptq" else None,
            gpu_free=bank.xp.free_bytes(),
        )

    @property
    def reference_precision(self) -> Precision:
        return Precision(unquantized(self.bank.scheme), self.bank.config.n_layers)

    def reference(self) -> Measurement:
        """The unquantized model itself."""
        found = self._measure(self.reference_precision)
        vocabulary = self.bank.config.vocab_size
        if found.perplexity >= vocabulary * (1 - 1e-6):
            self.progress(
                f"the unquantized model guesses no better than by chance (perplexity {found.perplexity:,.0f}, vocabulary "
                f"{vocabulary:,}): weights, tokenizer and text may not belong together, and increases mean little"
            )
        return found

    def measure(self, precision: Precision) -> Measurement:
        """Quality at `precision`.

        Raises:
            FlexDSEError: logits that are not finite, or out of memory.
        """
        return self._measure(precision)

    def _measure(self, precision: Precision) -> Measurement:
        total = np.zeros(4)
        done = self._done(precision)
        for index, window in enumerate(self.text.windows):
            result = done.get(index)
            if result is None:
                try:
                    result = self._window(index, window, precision)
                except (MemoryError, RuntimeError) as error:  # PyTorch raises a RuntimeError when a device is full
                    if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                        raise
                    raise FlexDSEError(
                        "out of memory",
                        field="window",
                        value=f"{len(window.ids)} tokens",
                        rule="what fits into the memory of this machine",
                        hint="take a shorter --window; what was measured so far is kept",
                    ) from error
                self._remember(precision, index, result)
            total += np.array(result, dtype=np.float64)
            nll = total[1] / total[0]
            self.progress(
                f"{_label(precision)}: window {index + 1}/{len(self.text.windows)}, perplexity {_exp(nll):.3f}"
            )
        tokens, nll, kl, agreeing = total
        return Measurement(
            perplexity=_exp(nll / tokens),
            nll=nll / tokens,
            kl_divergence=max(kl / tokens, 0.0) if self.compare else None,
            top1_agreement=agreeing / tokens if self.compare else None,
        )

    def _window(self, index: int, window: Window, precision: Precision) -> WindowResult:
        xp, reference = self.bank.xp, self.reference_precision
        decoder = Decoder(xp, self.bank)
        targets = window.ids[window.first_target :]
        kept = slice(window.first_target - 1, len(window.ids) - 1)  # the states that predict the scored targets
        compared = self.compare and precision != reference
        expected = self._reference_hidden(decoder, index, window)[kept] if self.compare else None
        hidden = decoder.forward(window.ids[None], precision)[0][kept] if compared or expected is None else expected
        nll = kl = 0.0
        agreeing = 0
        for first in range(0, len(targets), LOGIT_TOKENS):
            part = slice(first, first + LOGIT_TOKENS)
            ours = log_probabilities(xp, decoder.logits(hidden[part], precision))
            nll -= float(ours[np.arange(len(ours)), targets[part]].sum(dtype=np.float64))
            if compared and expected is not None:
                theirs = log_probabilities(xp, decoder.logits(expected[part], reference))
                kl += float(np.sum(np.exp(theirs) * (theirs - ours), dtype=np.float64))
                agreeing += int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum())
            else:
                agreeing += len(ours)
        if not math.isfinite(nll):
            raise FlexDSEError(
                "the model's logits are not finite",
                field="model",
                value=_label(precision),
                rule="finite logits",
                hint="check the checkpoint, or take more bits",
            )
        return WindowResult(len(targets), nll, kl, agreeing)

    def _reference_hidden(self, decoder: Decoder, index: int, window: Window) -> Array:
        """Last hidden states of the unquantized model, kept on disk: every precision is compared with them."""
        xp = self.bank.xp
        file = self._folder(self.reference_precision) / f"hidden-{index}.npy" if self.cache is not None else None
        if file is not None and file.is_file():
            try:
                return xp.asarray(np.load(file))
            except (ValueError, EOFError):
                self.progress(f"{file} is damaged: made again")
        hidden = decoder.forward(window.ids[None], self.reference_precision)[0]
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f".{file.name}.{os.getpid()}.partial.npy")
            try:
                np.save(partial, xp.to_numpy(hidden))
                partial.replace(file)
            finally:
                partial.unlink(missing_ok=True)
        return hidden

    def _folder(self, precision: Precision) -> Path:
        assert self.cache is not None
        widths = widths_of(precision, self.bank)
        same = precision.scheme.model_copy(update={"name": "any"})
        key = self.bank.key(self.text.sha256, json.dumps(widths, sort_keys=True), same.model_dump_json(), self.compare)
        return self.cache / f"evaluation-{key[:32]}"

    def _done(self, precision: Precision) -> dict[int, WindowResult]:
        if self.cache is None:
            return {}
        file = self._folder(precision) / "windows.jsonl"
        return dict(_read_results(file)) if file.is_file() else {}

    def _remember(self, precision: Precision, index: int, result: WindowResult) -> None:
        if self.cache is None:
            return
        file = self._folder(precision) / "windows.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        cut_off = file.is_file() and not file.read_bytes().endswith(b"\n")
        with file.open("a") as lines:
            lines.write("\n" * cut_off + json.dumps({"window": index, **result._asdict()}) + "\n")


def _read_results(file: Path) -> Iterator[tuple[int, WindowResult]]:
    """Finished windows; a last line that was cut off by an interruption counts as not done."""
    for line in file.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
            yield entry.pop("window"), WindowResult(**entry)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue


def log_probabilities(xp: Arrays, logits: Array) -> npt.NDArray[np.float32]:
    """Log softmax of `logits` (tokens, vocab_size)."""
    shifted = xp.to_numpy(logits - xp.max(logits))
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64)), dtype=np.float32)


def widths_of(precision: Precision, bank: WeightBank) -> dict[str, int]:
    """Every width that an evaluation depends on, by tensor group and layer."""
    from spec.quality import TENSOR_GROUPS

    return {
        f"{group}.{layer}": precision.bits(group, layer)
        for group in TENSOR_GROUPS
        for layer in range(bank.config.n_layers)
    }


def _exp(nll: float) -> float:
    """Perplexity; beyond the range of a double it is the largest one."""
    return math.exp(min(nll, 709.0))


def _label(precision: Precision) -> str:
    mixed = f" + {len(precision.overrides)} overrides" if precision.overrides else ""
    return f"{precision.scheme.name}{mixed}"
