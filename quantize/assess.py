"""One question answered: how good is this model under this plan, on this text, by this protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quantize.arrays import Arrays
from quantize.calibration import CalibrationTokens, calibration_tokens
from quantize.evaluation import EvaluationText, Evaluator, cut_windows
from quantize.precision import Precision
from quantize.sources import NamedModel, NamedText, open_text
from quantize.weight_bank import WeightBank
from spec.quality import FoldedRotations, Measurement, PrecisionPlan, Rounding

ProtocolName = Literal["standard", "fast"]
# standard: what the literature calls WikiText-2 perplexity, over the whole text. fast: enough to rank schemes.
STANDARD_WINDOW = 2048
FAST_WINDOW = 512
FAST_WINDOWS = 4

Progress = Callable[[str], None]


@dataclass(frozen=True)
class WindowChoice:
    """A protocol, or parts of it chosen differently."""

    protocol: ProtocolName = "standard"
    window_tokens: int | None = None
    stride_tokens: int | None = None
    max_windows: int | None = None

    def cut(self, named: NamedModel, text: NamedText) -> EvaluationText:
        """The windows of `text`."""
        fast = self.protocol == "fast"
        window = self.window_tokens or (FAST_WINDOW if fast else STANDARD_WINDOW)
        return cut_windows(
            text.name,
            text.content,
            named.encode(text.content),
            window,
            self.stride_tokens or window,
            self.max_windows or (FAST_WINDOWS if fast else None),
            named.model.config.vocab_size,
        )


@dataclass(frozen=True, eq=False)
class Setting:
    """What several measurements share."""

    named: NamedModel
    arrays: Arrays
    cache: Path | None
    progress: Progress

    def calibration(self, path: Path | None, windows: int) -> CalibrationTokens:
        """Calibration tokens from a file, or from the packaged text."""
        text = open_text(path, "calibration")
        return calibration_tokens(text.name, text.content, self.named.encode, windows)

    def bank(
        self,
        plan: PrecisionPlan,
        rounding: Rounding,
        folded: FoldedRotations,
        calibration: CalibrationTokens,
        seed: int,
    ) -> WeightBank:
        """The weights under the plan's kind of scheme."""
        return WeightBank(
            self.named.model,
            plan.scheme,
            rounding,
            calibration,
            self.arrays,
            folded=folded,
            seed=seed,
            cache=self.cache,
            progress=self.progress,
        )


@dataclass(frozen=True)
class Assessment:
    """The model unquantized and under the plan, on the same tokens."""

    reference: Measurement
    quantized: Measurement

    @property
    def quality(self) -> float:
        """The metric `quality`: increase of perplexity as a fraction."""
        return self.quantized.perplexity / self.reference.perplexity - 1


def assess(evaluator: Evaluator, plan: PrecisionPlan) -> Assessment:
    """Both measurements.

    Raises:
        FlexDSEError: logits that are not finite, or out of memory.
    """
    layers = evaluator.bank.config.n_layers
    return Assessment(evaluator.reference(), evaluator.measure(Precision(plan.scheme, layers, plan.overrides)))
