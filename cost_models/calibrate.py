"""Fit of a CalibrationTable: one factor for each provenance, stage, module and metric, with an honest interval.

Estimator. `y = log(measured / predicted)`, one value a distinct design (several readings of a design are averaged: they
share its error). Normal scatter around a common log factor, both unknown, with the conjugate normal-inverse-gamma prior:

    y_i | theta, s2 ~ N(theta, s2),   theta | s2 ~ N(0, s2 / K0),   s2 ~ InvGamma(NU0 / 2, NU0 s0^2 / 2)

The prior says "factor 1" with the weight of K0 = 1 design, and s0 is chosen so that its predictive interval is the
model's uncalibrated band. After n designs with mean m and squared deviations SS:

    log factor       = n m / (K0 + n)                                         (shrunk to 0 where data is thin)
    s^2              = (NU0 s0^2 + SS + K0 n m^2 / (K0 + n)) / (NU0 + n)      (data far from the prior widen it)
    next design      ~ log factor + s sqrt(1 + 1 / (K0 + n)) Student-t(NU0 + n)

(Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3.) A ratio has no sign and errors of cost laws are
multiplicative, hence logs; the conjugate form has this closed solution, needs no sampling, and is defined at n = 1.

A range of a tool (LUT and FF of an open synthesis) counts as its value nearest to the prediction. It may refute a prediction
but never narrow the band below the uncalibrated one; nor may an open synthesis as a whole, which shares the models' laws.

Two floors on the interval, because the prior is a belief: with one design it is never narrower than uncalibrated, nor
than that design's own error; with more, never narrower than the 90 % quantile of the fit's own leave-one-out errors (their
largest below nine designs).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.coefficients import FF_ROUTE_FACTOR, LUT_ROUTE_FACTOR
from cost_models.report import ERROR_BANDS
from spec.calibration import (
    MEASURED_PROVENANCES,
    CalibratedMetric,
    CalibrationEntry,
    CalibrationTable,
    LeaveOneOut,
    MeasuredProvenance,
    Measurement,
)
from spec.cost_report import ErrorBand
from spec.errors import InputError
from spec.workload import Stage

CONFIDENCE = 0.90
PRIOR_DESIGNS = 1  # K0: the prior factor 1 weighs as much as one design. Our choice.
PRIOR_DEGREES = 3  # NU0: the least with a finite prior variance, so that data soon outweigh the band. Our choice.

# Nothing at hand says how well single modules are predicted. Errors of parts cancel in a sum, so a part is taken to be
# twice as uncertain as its stage. Our choice; a prior that is too wide costs width, not truth.
MODULE_BAND_FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class RouteFactor:
    """csynth estimate to post-route count: factor, and the half-width of its logarithm."""

    factor: float
    log_half_width: float


# LUT and FF: geometric means of published pairs, as in coefficients.py; DSP: x1.00 to 1.04 in the same pairs. Half-width
# of LUT: the one pair whose two reports are at hand (2mm_1SLR of UCLA-VAST/Prometheus @0f80c17, xcu55c) kept 244,915 of
# 274,952 LUT = 0.891, that is log(0.891 / 0.75) away; its FF are at 0.793 and get no less width than LUT. BRAM and URAM
# have no published factor: in that pair 383 BRAM18 became 870 as 48 URAM became none, so the width says that much.
_LUT_HALF_WIDTH = math.log(0.891 / LUT_ROUTE_FACTOR)
_MEMORY_HALF_WIDTH = math.log(870 / 383)
TO_POST_ROUTE: dict[CalibratedMetric, RouteFactor] = {
    "lut": RouteFactor(LUT_ROUTE_FACTOR, _LUT_HALF_WIDTH),
    "ff": RouteFactor(FF_ROUTE_FACTOR, _LUT_HALF_WIDTH),
    "dsp": RouteFactor(1.02, math.log(1.04 / 1.02)),
    "bram_18k": RouteFactor(1.0, _MEMORY_HALF_WIDTH),
    "uram": RouteFactor(1.0, _MEMORY_HALF_WIDTH),
}
# Open synthesis counts DSP slices and memories by the laws that the cost models count them by: it may refute an inventory,
# but its agreement is no evidence of what a chip takes.
SHARES_OUR_LAWS: tuple[MeasuredProvenance, ...] = ("open_synthesis",)
BEFORE_ROUTING: tuple[MeasuredProvenance, ...] = ("csynth", "cosim")

_BAND_OF_TIME = {"prefill": "prefill_latency_s", "decode": "tpot_s"}  # keys of ERROR_BANDS


def student_t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t with an integer number of degrees of freedom, for probability in [0.5, 1).

    Up to 100 degrees by bisection of the exact distribution function, a finite series in cos(atan(t / sqrt(degrees)))
    (Abramowitz and Stegun 26.7.3 and 26.7.4); beyond by the expansion 26.7.5 around the normal quantile.
    """
    if degrees > 100:
        z = NormalDist().inv_cdf(probability)
        return (
            z
            + (z**3 + z) / (4 * degrees)
            + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
        )
    low, high = 0.0, math.pi / 2  # of atan(t / sqrt(degrees))
    for _ in range(60):  # more halvings than a float has bits
        middle = (low + high) / 2
        low, high = (middle, high) if _central_probability(middle, degrees) < 2 * probability - 1 else (low, middle)
    return math.tan((low + high) / 2) * math.sqrt(degrees)


def _central_probability(angle: float, degrees: int) -> float:
    """Probability of |t| <= sqrt(degrees) tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = (cosine if odd else 1.0) if degrees > 1 else 0.0
    series = term
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine**2 * (k - 1) / k
        series += term
    return 2 / math.pi * (angle + sine * series) if odd else sine * series


def log_half_width(band: ErrorBand) -> float:
    """Half-width of the symmetric interval of log(value / truth) that holds the band."""
    return max(-math.log1p(band.relative_low), math.log1p(band.relative_high))


def uncalibrated_band(stage: Stage, module: str | None, metric: CalibratedMetric) -> ErrorBand:
    """The band of the models without calibration: the prior of the fit."""
    band = ERROR_BANDS[_BAND_OF_TIME[stage] if metric in ("cycles", "latency_s") else metric]
    if module is None:
        return band
    return ErrorBand(
        relative_low=MODULE_BAND_FACTOR * band.relative_low,
        relative_high=MODULE_BAND_FACTOR * band.relative_high,
        basis=f"{MODULE_BAND_FACTOR:g} times the band of its stage: no module has been measured",
    )


@dataclass(frozen=True, slots=True)
class LogFit:
    """Log factor, half-width of the predictive interval around it, and log errors of each left-out value."""

    log_factor: float
    half_width: float
    left_out: FloatArray  # (n,), empty for one value


def prior_scale(prior_half_width: float) -> float:
    """s0: the scatter whose prior predictive interval has that half-width."""
    quantile = student_t_quantile((1 + CONFIDENCE) / 2, PRIOR_DEGREES)
    return prior_half_width / (quantile * math.sqrt(1 + 1 / PRIOR_DESIGNS))


def fit_log_factor(y: FloatArray, prior_half_width: float) -> LogFit:
    """The estimator of this module on values `y` (n,), n >= 1, one a design."""
    n, total = len(y), PRIOR_DESIGNS + len(y)
    mean = float(np.mean(y))
    squares = (
        PRIOR_DEGREES * prior_scale(prior_half_width) ** 2
        + float(np.sum((y - mean) ** 2))
        + PRIOR_DESIGNS * n * mean**2 / total
    )
    scale = math.sqrt(squares / (PRIOR_DEGREES + n) * (1 + 1 / total))
    half_width = student_t_quantile((1 + CONFIDENCE) / 2, PRIOR_DEGREES + n) * scale
    log_factor = n * mean / total
    if n == 1:
        return LogFit(log_factor, max(half_width, prior_half_width, abs(mean)), np.zeros(0))
    left_out = y - (n * mean - y) / (total - 1)
    # The order statistic that a further one of n + 1 exchangeable errors stays below with that probability (conformal
    # prediction: Vovk et al., Algorithmic Learning in a Random World); the largest while n is below 9.
    rank = min(n, math.ceil(CONFIDENCE * (n + 1)))
    return LogFit(log_factor, max(half_width, float(np.sort(np.abs(left_out))[rank - 1])), left_out)


def _fit_entry(
    provenance: MeasuredProvenance,
    stage: Stage,
    module: str | None,
    metric: CalibratedMetric,
    pairs: list[Measurement],
) -> CalibrationEntry:
    prior = uncalibrated_band(stage, module, metric)
    route = TO_POST_ROUTE.get(metric) if provenance in BEFORE_ROUTING else None
    by_design: dict[str, list[float]] = {}
    for pair in pairs:
        ratio = pair.nearest / pair.predicted * (route.factor if route else 1.0)
        by_design.setdefault(pair.design_key, []).append(math.log(ratio))
    y = np.array([sum(values) / len(values) for _, values in sorted(by_design.items())])
    fitted = fit_log_factor(y, log_half_width(prior))
    half_width = math.hypot(fitted.half_width, route.log_half_width) if route else fitted.half_width
    ranges = any(pair.measured_at_least is not None for pair in pairs)
    floored = len(y) == 1 or ranges or provenance in SHARES_OUR_LAWS
    left_out, missing = None, {}
    if len(y) > 1:
        before, after = np.abs(np.expm1(-y)), np.abs(np.expm1(-fitted.left_out))
        left_out = LeaveOneOut(
            mean_relative_error_before=float(np.mean(before)),
            mean_relative_error_after=float(np.mean(after)),
            worst_relative_error_before=float(np.max(before)),
            worst_relative_error_after=float(np.max(after)),
        )
    else:
        missing["leave_one_out"] = "one design: nothing is left to fit on when it is left out"
    return CalibrationEntry(
        provenance=provenance,
        stage=stage,
        module=module,
        metric=metric,
        factor=math.exp(fitted.log_factor),
        # An interval of log(value / truth); outward, so that rounding never makes it narrower than the prior.
        relative_low=min(math.expm1(-half_width), prior.relative_low if floored else 0.0),
        relative_high=max(math.expm1(half_width), prior.relative_high if floored else 0.0),
        uncalibrated_low=prior.relative_low,
        uncalibrated_high=prior.relative_high,
        route_factor=route.factor if route else None,
        designs=len(y),
        measurements=len(pairs),
        of_projects=any(pair.lineage is not None for pair in pairs),
        floored=floored,
        design_keys=tuple(sorted(by_design)),
        sources=tuple(sorted({pair.source for pair in pairs})),
        leave_one_out=left_out,
        missing=missing,
    )


def fit(pairs: Iterable[Measurement]) -> CalibrationTable:
    """One factor for each (provenance, stage, module, metric) of `pairs`. The order of the pairs does not matter.

    Raises:
        InputError: no pairs, or pairs of several devices (by name, and by content where it is known), model versions or timing
            tables.
    """
    given = list(pairs)
    if not given:
        raise InputError(
            "no measurements",
            field="measurements",
            value=[],
            rule="at least one",
            hint="give measured values, or evaluate without a calibration",
        )
    for field in ("device", "model_version", "timing_table_version"):
        found = sorted({str(getattr(pair, field)) for pair in given})
        if len(found) > 1:
            raise InputError(
                f"measurements of several values of {field}",
                field=f"measurements.{field}",
                value=found,
                rule="one device, model version and timing table a calibration",
                hint="split them into one file each",
            )
    digests = sorted({pair.device_digest for pair in given if pair.device_digest is not None})
    if len(digests) > 1:
        raise InputError(
            f"measurements of {len(digests)} devices that are called {given[0].device}: their documents differ",
            field="measurements.device_digest",
            value=digests,
            rule="one device, model version and timing table a calibration",
            hint="split them into one file each, and give each device document a name of its own",
        )
    groups: dict[tuple[MeasuredProvenance, Stage, str | None, CalibratedMetric], list[Measurement]] = {}
    for pair in sorted(given, key=_order):
        groups.setdefault((pair.provenance, pair.stage, pair.module, pair.metric), []).append(pair)
    return CalibrationTable(
        model_version=given[0].model_version,
        timing_table_version=given[0].timing_table_version,
        device=given[0].device,
        # One measurement of which only the name is known may be of another card.
        device_digest=digests[0] if digests and all(pair.device_digest for pair in given) else None,
        entries=tuple(_fit_entry(*key, group) for key, group in groups.items()),
    )


def _order(pair: Measurement) -> tuple[object, ...]:
    """An order that depends on nothing but the content, so that equal data give an equal table bit for bit."""
    rank = MEASURED_PROVENANCES.index(pair.provenance)
    ratio = (pair.measured, pair.measured_at_least or 0.0, pair.predicted, pair.source)
    return (rank, pair.stage != "prefill", pair.module or "", pair.metric, pair.design_key, *ratio)
