"""Measuring schemes that a search has chosen, the way the model's sensitivity table was measured, and what it teaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cost_models.quality import QualityEstimate, scheme_quality
from flexdse.quality_files import quality_cache, table_for, user_table_file, write_table
from flexdse.quality_inputs import QualityInputs
from quantize.arrays import open_arrays
from quantize.assess import Setting, evaluator_of_table, same_as_table
from quantize.evaluation import Evaluator
from quantize.sensitivity import FIT_EVERY, measure_combination, refit
from quantize.sources import open_model, open_text
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.quality import PrecisionPlan, SensitivityTable, measured_nll, plan_overrides, sum_of_sensitivities

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class SchemeVerification:
    """One scheme: what its table predicts without having seen it, and what was measured (fractions, `quality`)."""

    plan: PrecisionPlan
    predicted: QualityEstimate
    measured: float

    @property
    def inside_band(self) -> bool | None:
        """Whether the measurement lies in the predicted band; None without a prediction."""
        low, high = self.predicted.low, self.predicted.high
        return None if low is None or high is None else low <= self.measured <= high

    def summary(self) -> str:
        """One line for a report."""
        line = f"{self.plan.scheme.name}: perplexity {self.measured:+.1%} measured"
        if self.predicted.value is None:
            return f"{line}; no prediction: {self.predicted.missing}"
        low, high = self.predicted.low or 0.0, self.predicted.high or 0.0
        where = "inside" if self.inside_band else "outside of"
        return f"{line}, {self.predicted.value:+.1%} predicted, {where} its band {low:+.1%} to {high:+.1%}"


def verify_schemes(
    checkpoint: str,
    schemes: Sequence[PrecisionPlan],
    *,
    cache: Path | None = None,
    backend: str = "numpy",
    text: Path | None = None,
    wikitext_rows: bool = False,
    calibration_text: Path | None = None,
    keep: bool = True,
    progress: Progress = _silent,
) -> tuple[SchemeVerification, ...]:
    """Measure `schemes` of the model in `checkpoint` by the protocol of the model's sensitivity table.

    Args:
        checkpoint: `smollm2-135m`, a checkpoint folder, or a GGUF file.
        text, calibration_text: those of the table, None for the packaged ones.
        keep: refit the table with what was measured and put it into the user's folder of tables: from then on `evaluate`
            and `explore` take these schemes as measured.

    Raises:
        InputError: no weights, no table in whose mode a scheme is, another text than the table's.
        FlexDSEError: logits that are not finite, or out of memory.
    """
    setting = Setting(open_model(checkpoint), open_arrays(backend), quality_cache(cache), progress)
    model = setting.named.model.config
    given = open_text(text, "evaluation", wikitext_rows=wikitext_rows)
    results = []
    evaluators: dict[str, Evaluator] = {}
    for plan in schemes:
        table = table_for(model.name, plan)
        predicted = scheme_quality(model, plan.scheme, plan.overrides, [_unseen(table)])
        overrides = plan_overrides(plan.scheme, plan.overrides)
        if (known := measured_nll(table, overrides)) is None:
            mode = table.mode.model_dump_json()
            if mode not in evaluators:
                evaluators = {mode: evaluator_of_table(setting, table, plan, given, calibration_text)}
            evaluator = evaluators[mode]
            fits = len(table.combinations) % FIT_EVERY == 0 and sum_of_sensitivities(table, overrides) is not None
            found = measure_combination(evaluator, overrides, used_in_fit=fits)
            known = found.nll
            if keep:
                write_table(user_table_file(model.name, table.mode), refit(table, [found]))
        measured = _increase(known, table)
        results.append(SchemeVerification(plan, predicted, measured))
        progress(results[-1].summary())
    return tuple(results)


def _unseen(table: SensitivityTable) -> SensitivityTable:
    """The table without what it has measured as a whole, so that every answer of it is a prediction."""
    return table.model_copy(update={"combinations": ()})


def _increase(nll: float, table: SensitivityTable) -> float:
    return math.expm1(min(nll - table.reference.nll, 700.0))


def check_verifiable(model: str, plans: Sequence[PrecisionPlan], inputs: QualityInputs) -> None:
    """Refuse what `verify_schemes` would refuse, before anything is searched or measured.

    Raises:
        InputError: no weights, a checkpoint of another model, no table of a plan's kind, or another checkpoint, text or
            calibration than the table was measured with.
    """
    named = open_model(inputs.checkpoint_of(model))
    if named.model.config.name != model:
        raise InputError(
            f"the checkpoint is of {named.model.config.name}, not of {model}",
            field="--quality-checkpoint",
            value=inputs.checkpoint,
            rule=f"weights of {model}: a model has the name of its folder",
            hint="give the model's own checkpoint",
        )
    given = open_text(inputs.text, "evaluation", wikitext_rows=inputs.wikitext_rows)
    for plan in plans:
        same_as_table(named, table_for(model, plan), plan, given, inputs.calibration_text)


def quality_rung(
    checkpoint: str,
    bound: float | None = None,
    *,
    inputs: QualityInputs | None = None,
    cache: Path | None = None,
    progress: Progress = _silent,
) -> Callable[[DesignPoint], tuple[bool, str]]:
    """A rung of the ladder of promotion: (passed, what to say) of a design, its scheme measured once.

    `bound`: the largest `quality` that the goals allow; a design that measures beyond it is refused.
    """
    said: dict[str, tuple[bool, str]] = {}
    given = inputs or QualityInputs()

    def run(design: DesignPoint) -> tuple[bool, str]:
        plan = PrecisionPlan(scheme=design.quant_scheme)
        key = plan.scheme.model_dump_json()
        if key not in said:
            [found] = verify_schemes(
                checkpoint,
                [plan],
                cache=cache,
                text=given.text,
                wikitext_rows=given.wikitext_rows,
                calibration_text=given.calibration_text,
                progress=progress,
            )
            passed = bound is None or found.measured <= bound
            said[key] = passed, found.summary() + ("" if passed else f"; more than the {bound:.1%} allowed")
        return said[key]

    return run
