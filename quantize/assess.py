"""One question answered: how good is this model under this plan, on this text, by this protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quantize.arrays import Arrays
from quantize.calibration import CalibrationTokens, calibration_tokens
from quantize.evaluation import EvaluationText, Evaluator, cut_windows, sound_reference
from quantize.precision import Precision
from quantize.sources import NamedModel, NamedText, open_text
from quantize.weight_bank import WeightBank
from spec.errors import InputError
from spec.quality import FoldedRotations, Measurement, PrecisionPlan, Rounding, SensitivityTable, mode_of

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
        """The windows of `text`.

        Raises:
            InputError: a window longer than the model's context or than the text, a stride longer than a window, or a
                tokenizer of another model.
        """
        fast = self.protocol == "fast"
        window = self.window_tokens or (FAST_WINDOW if fast else STANDARD_WINDOW)
        config = named.model.config
        if window > config.max_context_tokens:
            raise InputError(
                "the window is longer than the context that the model was trained for",
                field="window",
                value=f"{window} tokens",
                rule=f"at most {config.max_context_tokens} tokens for {config.name}",
                hint=f"take --window {config.max_context_tokens} or less",
            )
        return cut_windows(
            text.name,
            text.content,
            named.encode(text.content),
            window,
            self.stride_tokens or window,
            self.max_windows or (FAST_WINDOWS if fast else None),
            config.vocab_size,
        )


@dataclass(frozen=True, eq=False)
class Setting:
    """What several measurements share."""

    named: NamedModel
    arrays: Arrays
    cache: Path | None
    progress: Progress
    _last_bank: dict[str, WeightBank] = field(default_factory=dict)

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
        """The weights under the plan's kind of scheme; the last one serves again, rotated and rounded as it is."""
        key = f"{mode_of(plan.scheme, rounding, folded).model_dump_json()} {calibration.text.sha256} {seed}"
        if key in self._last_bank:
            return self._last_bank[key]
        self._last_bank.clear()  # two at a time would not fit beside a large model
        self._last_bank[key] = WeightBank(
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
        return self._last_bank[key]


@dataclass(frozen=True)
class Assessment:
    """The model unquantized and under the plan, on the same tokens."""

    reference: Measurement
    quantized: Measurement

    @property
    def quality(self) -> float:
        """The metric `quality`: increase of perplexity as a fraction."""
        return self.quantized.perplexity / self.reference.perplexity - 1

    @property
    def quality_standard_error(self) -> float | None:
        """Standard error of `quality` over the windows, as a fraction; None with a single window."""
        error = self.quantized.increase_standard_error
        return None if error is None else (1 + self.quality) * error


def assess(evaluator: Evaluator, plan: PrecisionPlan) -> Assessment:
    """Both measurements.

    Raises:
        InputError: the unquantized model knows nothing of the text.
        FlexDSEError: logits that are not finite, or out of memory.
    """
    layers = evaluator.bank.config.n_layers
    return Assessment(sound_reference(evaluator), evaluator.measure(Precision(plan.scheme, layers, plan.overrides)))


DEFAULT_CALIBRATION_WINDOWS = 16


def evaluator_of_table(
    setting: Setting, table: SensitivityTable, plan: PrecisionPlan, text: NamedText, calibration_path: Path | None
) -> Evaluator:
    """What measures `plan` exactly as `table` was measured: same checkpoint, tokens, windows, calibration and seed.

    Raises:
        InputError: one of them is another one, so that the numbers would not compare.
    """
    windows, calibration = same_as_table(setting.named, table, plan, text, calibration_path)
    mode = table.mode
    bank = setting.bank(plan, mode.weight_rounding, mode.folded_rotations, calibration, table.rotation_seed)
    return Evaluator(bank, windows, setting.cache, setting.progress, compare=False)


def same_as_table(
    named: NamedModel,
    table: SensitivityTable,
    plan: PrecisionPlan,
    text: NamedText,
    calibration_path: Path | None,
    options: str = "--",
) -> tuple[EvaluationText, CalibrationTokens]:
    """The windows and calibration tokens that `table` was measured with, checked before any weight is rotated.

    `options`: how the options begin that give the texts, for the way out.

    Raises:
        InputError: checkpoint, text, calibration or kind of scheme is another one, so that the numbers would not compare.
    """
    protocol, mode = table.protocol, table.mode
    window = protocol.window_tokens or FAST_WINDOW
    stride = protocol.stride_tokens or window
    predicted = protocol.predicted_tokens or window - 1
    count = predicted // (window - 1) if stride == window else 1 + (predicted - window + 1) // stride
    windows = WindowChoice("standard", window, stride, count).cut(named, text)
    given = table.calibration
    calibration_text = open_text(calibration_path, "calibration")
    calibration = calibration_tokens(
        calibration_text.name,
        calibration_text.content,
        named.encode,
        given.windows if given else DEFAULT_CALIBRATION_WINDOWS,
    )
    pairs: tuple[tuple[str, object, object, str], ...] = (
        ("model", named.model.source.sha256, table.checkpoint_sha256, "give the checkpoint of the table"),
        ("text", windows.protocol.text_sha256, protocol.text_sha256, f"give the text of the table with {options}text"),
        ("text", windows.protocol.predicted_tokens, predicted, "give the text and protocol of the table"),
        ("calibration_text", calibration.text.sha256, given.sha256 if given else calibration.text.sha256,
         f"give the calibration text of the table with {options}calibration-text"),
        ("scheme", mode_of(plan.scheme, mode.weight_rounding, mode.folded_rotations).model_dump(), mode.model_dump(),
         "take a scheme that differs from the table in widths only"),
    )  # fmt: skip
    for what, ours, theirs, hint in pairs:
        if ours != theirs:
            raise InputError(
                f"another {what.replace('_', ' ')} than the table of {table.model} was measured with",
                field=what,
                value=ours,
                rule=str(theirs),
                hint=hint,
            )
    return windows, calibration
