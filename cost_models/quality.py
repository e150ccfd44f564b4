"""Model quality of designs: a lookup of measured sensitivities or of published perplexities.

`quality` is the increase of perplexity over the unquantized model as a fraction (spec/metrics.py). It depends on the
quantization scheme alone, not on tilings or clocks, so that a batch of designs of one scheme takes a single lookup, which is
remembered (`cost_models.evaluate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from spec.cost_report import QualityReport
from spec.model_config import ModelConfig
from spec.quality import (
    BAND_SHARE,
    MIN_UNSEEN,
    PublishedTable,
    QuantMode,
    SensitivityTable,
    WidthOverride,
    group_widths,
    interpolated_widths,
    is_unquantized,
    measured_mixture,
    plan_overrides,
    predicted_nll,
)
from spec.quality_catalog import QualityTable, quality_tables, tables_version
from spec.quant_scheme import QuantScheme

# Beyond this ratio to the reference's perplexity a prediction ranks schemes but its value means little.
RANKING_ONLY_RATIO = 2.0
NO_BAND = (
    f"no band: the table has fewer than {MIN_UNSEEN} measured mixtures that no fit has seen "
    "(flexdse quality-table --combinations)"
)

QualityKind = Literal["measured", "predicted from measured sensitivities", "published"]


class QualityEstimate(NamedTuple):
    """Quality of one scheme, what it rests on, and its band; `value` None comes with the reason in `missing`."""

    value: float | None
    low: float | None
    high: float | None
    kind: QualityKind | None
    detail: str
    missing: str | None


def scheme_quality(
    model: ModelConfig,
    scheme: QuantScheme,
    overrides: tuple[WidthOverride, ...] = (),
    tables: Sequence[QualityTable] | None = None,
) -> QualityEstimate:
    """Quality of a scheme, mixed precision included; `tables` default to the user's and the catalog's of that model."""
    if tables is None:
        return _from_catalog(model.name, scheme, overrides, tables_version())
    return _estimate(model.name, scheme, overrides, tables)


@lru_cache(maxsize=4096)
def _from_catalog(
    model: str, scheme: QuantScheme, overrides: tuple[WidthOverride, ...], version: tuple[str, int]
) -> QualityEstimate:
    del version  # only keeps what was looked up in older tables apart
    return _estimate(model, scheme, overrides, quality_tables(model))


def _estimate(
    model: str, scheme: QuantScheme, overrides: tuple[WidthOverride, ...], tables: Sequence[QualityTable]
) -> QualityEstimate:
    if not tables:
        return _missing(f"no measured or published quality of {model}; measure it: flexdse quality-table --model DIR")
    reasons = []
    for table in tables:
        found = (
            _published(table, scheme, overrides)
            if isinstance(table, PublishedTable)
            else _predicted(table, scheme, overrides)
        )
        if isinstance(found, QualityEstimate):
            return found
        reasons.append(found)
    return _missing("; ".join(dict.fromkeys(reasons)))


def _missing(reason: str) -> QualityEstimate:
    return QualityEstimate(None, None, None, None, "", reason)


def _predicted(
    table: SensitivityTable, scheme: QuantScheme, overrides: tuple[WidthOverride, ...]
) -> QualityEstimate | str:
    if not in_mode(scheme, table.mode):
        return f"sensitivities of {table.model} were measured for another kind of scheme ({_mode_words(table.mode)})"
    plan = plan_overrides(scheme, overrides)
    protocol = table.protocol
    measured_on = f"{table.checkpoint}, {protocol.text}, {protocol.predicted_tokens} tokens in windows of {protocol.window_tokens}"
    if (measured := measured_mixture(table, plan)) is not None:
        return _measured(measured.nll - table.reference.nll, measured.increase_standard_error, measured_on)
    if is_unquantized(plan, table.base_bits):
        return QualityEstimate(0.0, None, None, "measured", f"unquantized, the reference itself; {measured_on}", None)
    widest = max(bits for thirds in group_widths(table.base_bits, plan).values() for bits in thirds)
    if widest > table.base_bits:
        return (
            f"{scheme.name} mixes {widest} bits with quantized tensors; sensitivities of {table.model} reach up to "
            f"{table.base_bits} bits: measure it as a whole (flexdse quality-verify)"
        )
    nll = predicted_nll(table, plan)
    if math.isnan(nll):
        return f"a width of {scheme.name} is narrower than any that was measured of {table.model}"
    ratio = math.exp(min(nll - table.reference.nll, 700.0))
    between = interpolated_widths(table, plan)
    # Every mixture that the band was taken of lies below that ratio (quantize/sensitivity.py).
    only_ranks = ratio > RANKING_ONLY_RATIO
    band = None if between or only_ranks else table.band_relative
    widths = ", ".join(map(str, between))
    if between:
        within = f"no band: {widths} bits interpolated, not validated by measured mixtures"
    elif only_ranks:
        within = "no band: measured errors tell it below twice the reference only"
    else:
        within = NO_BAND if band is None else f"within {band:.1%} with a probability of {BAND_SHARE:.0%}"
    ranking = "; more than twice the reference, so it only ranks" if only_ranks else ""
    return QualityEstimate(
        value=ratio - 1,
        low=None if band is None else ratio * (1 - band) - 1,
        high=None if band is None else ratio * (1 + band) - 1,
        kind="predicted from measured sensitivities",
        detail=f"{measured_on}; {within}{ranking}",
        missing=None,
    )


def _measured(increase: float, standard_error: float | None, measured_on: str) -> QualityEstimate:
    """A scheme that was measured as it is, with a band of two standard errors; `increase` of nll in nats."""
    increase = min(increase, 700.0)
    value = math.expm1(increase)
    if standard_error is None:
        return QualityEstimate(value, None, None, "measured", measured_on, None)
    low, high = (math.expm1(increase + sign * 2 * standard_error) for sign in (-1, 1))
    detail = (
        f"{measured_on}; standard error {(1 + value) * standard_error:.1%} over the windows, the band is two of them"
    )
    return QualityEstimate(value, low, high, "measured", detail, None)


def _published(
    table: PublishedTable, scheme: QuantScheme, overrides: tuple[WidthOverride, ...]
) -> QualityEstimate | str:
    if overrides:
        return "mixed precision is not published"
    anonymous = scheme.model_copy(update={"name": "any"})
    for result in table.results:
        same = result.scheme is not None and result.scheme.model_copy(update={"name": "any"}) == anonymous
        if same and not result.is_lower_bound:
            value = result.perplexity / table.reference.perplexity - 1
            detail = f"{result.name}: {result.perplexity:g} against {table.reference.perplexity:g}, {table.publication}"
            return QualityEstimate(value, None, None, "published", detail, None)
    return f"no perplexity of the scheme {scheme.name} on {table.model} is published in {table.publication}"


def in_mode(scheme: QuantScheme, mode: QuantMode) -> bool:
    """Whether the scheme differs from the mode in widths only."""
    shared = set(QuantMode.model_fields) & set(QuantScheme.model_fields)
    return all(getattr(scheme, name) == getattr(mode, name) for name in shared)


def _mode_words(mode: QuantMode) -> str:
    return (
        f"{mode.weight_rounding} {mode.weight_scale} weights, {mode.activation_scale} {mode.activation_symmetry} "
        f"activations, {mode.attention_scale} attention, online Hadamard: {mode.online_hadamard}"
    )


def quality_report(model: ModelConfig, scheme: QuantScheme) -> QualityReport:
    """The part of a cost report on the scheme's quality."""
    estimate = scheme_quality(model, scheme)
    return QualityReport(
        value=estimate.value,
        missing=estimate.missing,
        low=estimate.low,
        high=estimate.high,
        kind=estimate.kind,
        detail=estimate.detail or None,
    )
