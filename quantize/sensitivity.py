"""Measuring how much each tensor group suffers at each width, and fitting what predicts any mixture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from quantize.evaluation import Evaluator, sound_reference
from quantize.precision import Precision
from quantize.weight_bank import WeightBank
from spec.errors import InputError
from spec.quality import (
    DEPTHLESS,
    DEPTHS,
    TENSOR_GROUPS,
    Depth,
    MeasuredCombination,
    Sensitivity,
    SensitivityTable,
    TensorGroup,
    WidthOverride,
    band_of,
    measured_alone,
    predicted_nll,
    sum_of_sensitivities,
    without_mixture,
)
from spec.quant_scheme import QuantScheme
from spec.scheme_names import ATTENTION_BITS

BASE_BITS = 8
FIT_EVERY = (
    4  # of so many mixtures one is fitted: one coefficient needs few, the others tell how far predictions are off
)
# Beyond twice the reference's perplexity a prediction only ranks, so the band is that of the schemes below.
BAND_LIMIT_RATIO = 2.0

# Widths measured one at a time. 6 bits change so little that one run over all layers serves; 4 and 3 go by depth.
WHOLE_DEPTH_WIDTHS: dict[TensorGroup, tuple[int, ...]] = {
    "weight.attention": (6,),
    "weight.gate_up": (6,),
    "weight.down": (6,),
    "weight.lm_head": (6, 4, 3),
    "activation.attention": (6,),
    "activation.gate_up": (6,),
    "activation.down": (6,),
    "activation.lm_head": (6, 4),
    "key": (6,),
    "value": (6,),
    "attention": (6,),
}
THIRDS_WIDTHS: dict[TensorGroup, tuple[int, ...]] = {
    "weight.attention": (4, 3),
    "weight.gate_up": (4, 3),
    "weight.down": (4, 3),
    "activation.attention": (4,),
    "activation.gate_up": (4,),
    "activation.down": (4,),
    "key": (4,),
    "value": (4,),
}

Progress = Callable[[str], None]


def base_scheme(scheme: QuantScheme) -> QuantScheme:
    """The scheme's mode with every width at the base that sensitivities are relative to."""
    return scheme.model_copy(
        update={
            "name": "base",
            "weight_bits": BASE_BITS,
            "activation_bits": BASE_BITS,
            "kv_bits": BASE_BITS,
            "attention_bits": ATTENTION_BITS,
            "lm_head_weight_bits": BASE_BITS,
        }
    )


def single_changes() -> list[WidthOverride]:
    """Every change that is measured alone, cheap widths first."""
    whole = [WidthOverride(group=g, bits=b) for g, widths in WHOLE_DEPTH_WIDTHS.items() for b in widths]
    thirds = [
        WidthOverride(group=g, depth=d, bits=b) for g, widths in THIRDS_WIDTHS.items() for b in widths for d in DEPTHS
    ]
    return [*whole, *thirds]


def measure_table(
    evaluator: Evaluator, changes: Sequence[WidthOverride] | None = None, progress: Progress = lambda _: None
) -> SensitivityTable:
    """Reference, base and each single change, measured; what the evaluator's cache holds is not measured again.

    Raises:
        InputError: the unquantized model knows nothing of the text.
    """
    bank = evaluator.bank
    precision = Precision(base_scheme(bank.scheme), bank.config.n_layers)
    reference = sound_reference(evaluator)
    base = evaluator.measure(precision)
    sensitivities = []
    wanted = single_changes() if changes is None else changes
    for index, change in enumerate(wanted):
        changed = Precision(precision.scheme, precision.n_layers, (change,))
        delta = evaluator.measure(changed).nll - base.nll
        progress(
            f"sensitivity {index + 1}/{len(wanted)}: {change.group} {change.depth} {change.bits} bits: {delta:+.4f}"
        )
        error = evaluator.paired_error(changed, precision)
        sensitivities.append(Sensitivity(**change.model_dump(), delta_nll=delta, standard_error=error))
    return SensitivityTable(
        model=bank.config.name,
        checkpoint=bank.model.source.name,
        checkpoint_sha256=bank.model.source.sha256,
        mode=bank.mode,
        protocol=evaluator.text.protocol,
        reference=reference,
        base_bits=BASE_BITS,
        base=base,
        sensitivities=tuple(sensitivities),
        calibration=bank.calibration.text,
        rotation_seed=bank.seed,
    )


def measure_combination(
    evaluator: Evaluator, overrides: Sequence[WidthOverride], *, used_in_fit: bool
) -> MeasuredCombination:
    """A mixture of widths on top of the base, measured."""
    bank: WeightBank = evaluator.bank
    precision = Precision(base_scheme(bank.scheme), bank.config.n_layers, tuple(overrides))
    found = evaluator.measure(precision)
    return MeasuredCombination(
        overrides=tuple(overrides),
        nll=found.nll,
        used_in_fit=used_in_fit,
        increase_standard_error=found.increase_standard_error,
    )


def random_combination(generator: np.random.Generator) -> tuple[WidthOverride, ...]:
    """A mixture of at least two changes, as a search would meet it: uniform in half of the cases, else by depth.

    Each group is left at the base with a chance that differs between mixtures, so that mild and harsh ones occur.
    """
    while len(overrides := _random_changes(generator)) < 2:
        pass
    return overrides


def _random_changes(generator: np.random.Generator) -> tuple[WidthOverride, ...]:
    keep = generator.uniform(0.35, 0.95)
    by_depth = generator.random() < 0.5
    overrides = []
    for group in TENSOR_GROUPS:
        depths: tuple[Depth, ...] = DEPTHS if by_depth and group not in DEPTHLESS else ("all",)
        widths = sorted({*WHOLE_DEPTH_WIDTHS.get(group, ()), *THIRDS_WIDTHS.get(group, ())})
        for depth in depths:
            if generator.random() >= keep:
                overrides.append(WidthOverride(group=group, depth=depth, bits=int(generator.choice(widths))))
    return tuple(overrides)


def refit(table: SensitivityTable, combinations: Iterable[MeasuredCombination]) -> SensitivityTable:
    """`table` with `combinations` added: the curvature from those for fitting, the band from the others.

    nll - base = d + c d^2 with d the sum of the sensitivities: widths harm each other a little, so c >= 0. Least squares
    on the relative error of perplexity's increase would let the mildest mixtures rule, so plain squares of nll are used.
    A mixture with a width that was never measured alone has no prediction: it is kept for what it is, a measurement.

    Raises:
        InputError: such a mixture meant for fitting.
    """
    merged = {combination.overrides: combination for combination in (*table.combinations, *combinations)}
    everything = tuple(merged.values())
    sums = np.array([_sum(table, c) for c in everything])
    nll = np.array([c.nll for c in everything])
    fits = np.array([c.used_in_fit for c in everything], dtype=bool)
    near = (nll - table.reference.nll < math.log(BAND_LIMIT_RATIO)) & np.isfinite(sums)
    curvature = table.curvature
    chosen = fits & near if (fits & near).any() else fits
    if chosen.any():
        square = sums[chosen] ** 2
        curvature = max(float(square @ (nll[chosen] - table.base.nll - sums[chosen]) / (square @ square)), 0.0)
    fitted = table.model_copy(update={"curvature": curvature, "combinations": everything})
    predictions = np.array([predicted_nll(fitted, c.overrides) for c in everything])
    # The base and single changes are the table itself: they say nothing of how well it predicts.
    mixed = np.array([not measured_alone(table, c.overrides) for c in everything], dtype=bool)
    unseen = ~fits & near & mixed
    errors = np.abs(np.expm1(predictions - nll))[unseen]
    return fitted.model_copy(update={"band_relative": band_of(errors.tolist())})


def unseen(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> SensitivityTable:
    """The table as it would be had that mixture never been measured: what it then predicts, it predicts."""
    others = without_mixture(table, overrides)
    if len(others.combinations) == len(table.combinations):
        return table
    return refit(others.model_copy(update={"curvature": 0.0}), ())


def _sum(table: SensitivityTable, combination: MeasuredCombination) -> float:
    total = sum_of_sensitivities(table, combination.overrides)
    if total is None and combination.used_in_fit:
        raise InputError(
            "a combination with a width that was never measured alone",
            field="combinations",
            value=[override.model_dump() for override in combination.overrides],
            rule="every width between the base and the narrowest one measured of its group",
            hint="measure that width alone first",
        )
    return math.nan if total is None else total
