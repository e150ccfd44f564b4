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
from quantize.sensitivity import FIT_EVERY, measure_combination, refit, unseen
from quantize.sources import open_model, open_text
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.quality import (
    MeasuredCombination,
    PrecisionPlan,
    SensitivityTable,
    WidthOverride,
    group_widths,
    measured_alone,
    measured_mixture,
    plan_overrides,
    sum_of_sensitivities,
    without_mixture,
)

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class SchemeVerification:
    """One scheme: what its table predicts without having seen it, and what was measured (fractions, `quality`).

    `standard_error` of the measurement, over the windows; None where it is not known. `is_part_of_table`: the scheme is the
    table's base or one of its single changes, which the table consists of and does not predict. `is_kept`: the measurement
    was written into the user's folder of tables now.
    """

    plan: PrecisionPlan
    predicted: QualityEstimate
    measured: float
    standard_error: float | None
    is_part_of_table: bool
    is_kept: bool = False

    @property
    def inside_band(self) -> bool | None:
        """Whether the measurement lies in the predicted band; None without a prediction or a band."""
        low, high = self.predicted.low, self.predicted.high
        return None if low is None or high is None or self.is_part_of_table else low <= self.measured <= high

    @property
    def verdict(self) -> str:
        """What the measurement says of the prediction."""
        if self.is_part_of_table:
            return "part of the table, so no prediction"
        if self.predicted.value is None:
            return f"no prediction: {self.predicted.missing}"
        low, high = self.predicted.low, self.predicted.high
        if low is None or high is None:
            return f"{self.predicted.value:+.1%} predicted, without a band"
        where = "inside" if self.inside_band else "outside of"
        return f"{self.predicted.value:+.1%} predicted, {where} its band {low:+.1%} to {high:+.1%}"

    def summary(self) -> str:
        """One line for a report."""
        error = "" if self.standard_error is None else f" (standard error {self.standard_error:.1%})"
        return f"{self.plan.scheme.name}: perplexity {self.measured:+.1%}{error} measured, {self.verdict}"


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
        overrides = plan_overrides(plan.scheme, plan.overrides)
        part = measured_alone(table, overrides)
        predicted = scheme_quality(model, plan.scheme, plan.overrides, [unseen(table, overrides)])
        known = measured_mixture(table, overrides)
        written = False
        # Measured before standard errors were kept: measured again, which the cache makes quick.
        if known is None or known.increase_standard_error is None:
            mode = table.mode.model_dump_json()
            if mode not in evaluators:
                evaluators = {mode: evaluator_of_table(setting, table, plan, given, calibration_text)}
            evaluator = evaluators[mode]
            known = _measured(evaluator, table, overrides, known)
            if keep:
                write_table(user_table_file(model.name, table.mode), _with_measurement(table, known))
                written = True
        measured = math.expm1(min(known.nll - table.reference.nll, 700.0))
        error = known.increase_standard_error
        spread = None if error is None else (1 + measured) * error
        results.append(SchemeVerification(plan, predicted, measured, spread, part, written))
        progress(results[-1].summary())
    return tuple(results)


def _measured(
    evaluator: Evaluator,
    table: SensitivityTable,
    overrides: tuple[WidthOverride, ...],
    known: MeasuredCombination | None,
) -> MeasuredCombination:
    """The mixture measured now; one of `FIT_EVERY` is for fitting, and one that is known already stays what it is."""
    if known is not None:
        fits = known.used_in_fit
    else:
        fits = len(table.combinations) % FIT_EVERY == 0 and sum_of_sensitivities(table, overrides) is not None
    return measure_combination(evaluator, overrides, used_in_fit=fits)


def _with_measurement(table: SensitivityTable, found: MeasuredCombination) -> SensitivityTable:
    """The table refitted with a mixture measured now, in the place of an earlier measurement of the same widths."""
    if all(
        bits == table.base_bits for thirds in group_widths(table.base_bits, found.overrides).values() for bits in thirds
    ):
        base = table.base.model_copy(update={"increase_standard_error": found.increase_standard_error})
        return table.model_copy(update={"base": base})
    return refit(without_mixture(table, found.overrides), [found])


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
        same_as_table(named, table_for(model, plan), plan, given, inputs.calibration_text, "--quality-")


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
