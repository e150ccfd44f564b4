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
from quantize.memory import check_memory, is_out_of_memory
from quantize.precision import Precision
from quantize.weight_bank import WeightBank, unquantized
from spec.errors import FlexDSEError, InputError, echo
from spec.quality import Measurement, Protocol
from spec.quality import Protocol as TextProtocol

Ids = npt.NDArray[np.int64]
Fp64 = npt.NDArray[np.float64]

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
    _measured: dict[Precision, list[WindowResult]] = field(init=False, default_factory=dict)

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
        return self._measure(self.reference_precision)

    def measure(self, precision: Precision) -> Measurement:
        """Quality at `precision`.

        Raises:
            FlexDSEError: logits that are not finite, or out of memory.
        """
        return self._measure(precision)

    def paired_error(self, precision: Precision, against: Precision) -> float | None:
        """Standard error of the difference in nll, nats, window by window on the same tokens; None with one window."""
        nll, other = (np.array([one.nll for one in self._results(p)]) for p in (precision, against))
        tokens = np.array([one.tokens for one in self._results(precision)], dtype=np.float64)
        return _mean_and_error(nll - other, tokens)[1]

    def _measure(self, precision: Precision) -> Measurement:
        results = self._results(precision)
        tokens, nll, kl, agreeing = np.array(results, dtype=np.float64).T
        mean, error = _mean_and_error(nll, tokens)
        reference = self.reference_precision
        increase_error = None if precision == reference else self.paired_error(precision, reference)
        return Measurement(
            perplexity=_exp(mean),
            nll=mean,
            kl_divergence=max(float(kl.sum() / tokens.sum()), 0.0) if self.compare else None,
            top1_agreement=float(agreeing.sum() / tokens.sum()) if self.compare else None,
            nll_standard_error=error,
            increase_standard_error=increase_error,
        )

    def _results(self, precision: Precision) -> list[WindowResult]:
        """The result of each window: from memory, from the cache, or measured now."""
        known = self._measured.get(precision)
        if known is not None:
            return known
        results: list[WindowResult] = []
        done = self._done(precision)
        for index, window in enumerate(self.text.windows):
            result = done.get(index)
            if result is None:
                try:
                    result = self._window(index, window, precision)
                except (MemoryError, RuntimeError) as error:
                    if not is_out_of_memory(error):
                        raise
                    raise FlexDSEError(
                        "out of memory",
                        field="window",
                        value=f"{len(window.ids)} tokens",
                        rule="what fits into the memory of this machine",
                        hint="take a shorter --window; what was measured so far is kept",
                    ) from error
                self._remember(precision, index, result)
            results.append(result)
            nll = sum(one.nll for one in results) / sum(one.tokens for one in results)
            kept = ", kept from before" if index in done else ""
            self.progress(
                f"{_label(precision)}: window {index + 1}/{len(self.text.windows)}, perplexity {_exp(nll):.3f}{kept}"
            )
        self._measured[precision] = results
        return results

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
    """Finished windows; a line that was cut off by an interruption, or damaged, counts as not done."""
    for line in file.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
            index, result = entry.pop("window"), WindowResult(**entry)
            if _is_sound(index, result):
                yield index, result
        except (ValueError, TypeError, KeyError, AttributeError):
            continue


def _is_sound(index: object, result: WindowResult) -> bool:
    """Whether what was read is of the types and ranges that `Evaluator` writes."""
    whole = all(type(one) is int and one >= 0 for one in (index, result.tokens, result.agreeing))
    return whole and all(type(one) in (int, float) and math.isfinite(one) for one in (result.nll, result.kl))


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


def _mean_and_error(sums: Fp64, tokens: Fp64) -> tuple[float, float | None]:
    """Mean of a token over all windows, and its standard error from how the windows differ; None with one window.

    `sums` and `tokens` (windows,). The estimator of a ratio: windows that score more tokens weigh more.
    """
    mean, windows = float(sums.sum() / tokens.sum()), len(sums)
    if windows < 2:
        return mean, None
    deviations = sums - mean * tokens
    return mean, float(np.sqrt(windows / (windows - 1) * (deviations @ deviations)) / tokens.sum())


# Guessing costs ln(vocab_size) nats a token. Who knows only how frequent each token is pays 0.70 of that: the packaged
# evaluation text under the token counts of the calibration text, 7.5 of 10.8 nats with SmolLM2's tokenizer (a test counts
# a part of them). A model above that knows nothing of the order of words, so that rounding has nothing to harm; a seventh is added for
# texts of rarer words. SmolLM2-135M itself pays 0.29.
NEAR_CHANCE = 0.8


def sound_reference(evaluator: Evaluator) -> Measurement:
    """The unquantized model, which must know something of the text before rounding can cost it anything.

    Raises:
        InputError: it predicts hardly better than by guessing.
    """
    found, config = evaluator.reference(), evaluator.bank.config
    chance = math.log(config.vocab_size)
    if found.nll < NEAR_CHANCE * chance:
        return found
    raise InputError(
        "the unquantized model predicts the text hardly better than by chance",
        field="model",
        value=f"{found.nll:.2f} nats a token (perplexity {found.perplexity:,.0f})",
        rule=f"below {NEAR_CHANCE * chance:.2f} nats; guessing among {config.vocab_size:,} tokens costs {chance:.2f}",
        hint="give weights, tokenizer and text that belong together: a damaged checkpoint, the tokenizer of another model "
        "and a text of no language all look like this",
    )


def _exp(nll: float) -> float:
    """Perplexity; beyond the range of a double it is the largest one."""
    return math.exp(min(nll, 709.0))


def _label(precision: Precision) -> str:
    mixed = f" + {len(precision.overrides)} overrides" if precision.overrides else ""
    return f"{precision.scheme.name}{mixed}"
