"""Model quality of designs: a lookup of measured sensitivities or of published perplexities, vectorised.

`quality` is the increase of perplexity over the unquantized model as a fraction (spec/metrics.py). It depends on the
quantization scheme alone, not on tilings or clocks, so a search looks each scheme up once and gathers by index.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from spec.cost_report import QualityReport
from spec.model_config import ModelConfig
from spec.quality import (
    DEPTHS,
    MIN_UNSEEN,
    TENSOR_GROUPS,
    UNQUANTIZED_BITS,
    PublishedTable,
    QuantMode,
    SensitivityTable,
    TensorGroup,
    WidthOverride,
    delta_nll,
    group_widths,
    interpolated_widths,
    is_unquantized,
    measured_mixture,
    plan_overrides,
    predicted_nll,
)
from spec.quality_catalog import QualityTable, quality_tables, tables_version
from spec.quant_scheme import MAX_BITS, MIN_BITS, QuantScheme

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
        value = math.expm1(min(measured.nll - table.reference.nll, 700.0))
        error = measured.increase_standard_error
        spread = "" if error is None else f"; standard error {(1 + value) * error:.1%} over the windows"
        return QualityEstimate(value, None, None, "measured", measured_on + spread, None)
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
    widths = ", ".join(map(str, between))
    unchecked = f"; {widths} bits interpolated, not validated by measured mixtures" if between else ""
    ranking = "; more than twice the reference, so it only ranks" if ratio > RANKING_ONLY_RATIO else ""
    band = table.band_relative
    within = NO_BAND if band is None else f"90 % of unseen mixtures within {band:.1%}"
    return QualityEstimate(
        value=ratio - 1,
        low=None if band is None else ratio * (1 - band) - 1,
        high=None if band is None else ratio * (1 + band) - 1,
        kind="predicted from measured sensitivities",
        detail=f"{measured_on}; {within}{unchecked}{ranking}",
        missing=None,
    )


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


class SchemeQualities(NamedTuple):
    """One entry a scheme; NaN where `missing` says why. A design gathers by the index of its scheme."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    estimates: tuple[QualityEstimate, ...]


def scheme_qualities(
    model: ModelConfig, schemes: Sequence[QuantScheme], tables: Sequence[QualityTable] | None = None
) -> SchemeQualities:
    """Quality of each scheme: `scheme_qualities(model, schemes).value[scheme_index]` prices any number of designs."""
    estimates = tuple(scheme_quality(model, scheme, tables=tables) for scheme in schemes)

    def column(name: str) -> FloatArray:
        return np.array([math.nan if getattr(e, name) is None else getattr(e, name) for e in estimates], dtype=float)

    return SchemeQualities(column("value"), column("low"), column("high"), estimates)


@dataclass(frozen=True, eq=False)
class WidthLookup:
    """A sensitivity table as dense arrays, for searches with a width of its own for each tensor group.

    Attributes:
        deltas: (groups, depths + 1, bits) increase of nll, NaN where never measured; the last depth is the whole model.
    """

    table: SensitivityTable
    deltas: FloatArray

    @classmethod
    def of(cls, table: SensitivityTable) -> WidthLookup:
        """The lookup of a table."""
        bits = range(MAX_BITS + 1)
        depths = (*DEPTHS, "all")
        deltas = [
            [[_or_nan(delta_nll(table, g, d, b)) if b >= MIN_BITS else math.nan for b in bits] for d in depths]
            for g in TENSOR_GROUPS
        ]
        return cls(table, np.array(deltas))

    def quality(self, widths: Mapping[TensorGroup, IntArray]) -> FloatArray:
        """(n,) quality of n designs with `widths[group]` (n,) bits, or (n, 3) for the three thirds of the layers.

        A group that is not named stays at the base. NaN where a width was never measured; 0 where all groups have 16 bits.
        """
        total: FloatArray = np.zeros(1)
        for group, bits in widths.items():
            rows = self.deltas[TENSOR_GROUPS.index(group)]
            if bits.ndim == 1:
                total = total + rows[-1][bits]
                continue
            by_third = rows[0][bits[:, 0]] + rows[1][bits[:, 1]] + rows[2][bits[:, 2]]
            uniform = (bits[:, 0] == bits[:, 1]) & (bits[:, 1] == bits[:, 2])
            total = total + np.where(uniform, rows[-1][bits[:, 0]], by_third)
        reference = np.zeros(total.shape, dtype=bool)
        if len(widths) == len(TENSOR_GROUPS) and np.isnan(total).any():
            reference = np.logical_and.reduce(
                [(bits == UNQUANTIZED_BITS).reshape(len(bits), -1).all(axis=1) for bits in widths.values()]
            )
        increase = total + self.table.curvature * np.maximum(total, 0.0) ** 2
        above = self.table.base.nll - self.table.reference.nll
        return np.where(reference, 0.0, np.expm1(np.minimum(above + increase, 700.0)))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


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
