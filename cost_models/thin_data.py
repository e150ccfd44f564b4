"""How much wider an error band is where less was measured: per choice that the measured pair does not have, and for a
clock that nobody measured.

The bands of the laws hold FlexLLM's measured pair. Each module variant, format, deployment, scheme or model beside it is
taken as one more error of the size of the band itself, independent of the others: n of them take the band to the power
of sqrt(1 + n), (1 + low)^sqrt(1 + n) .. (1 + high)^sqrt(1 + n). A judgement, not a statistic; with n = 0 the band stays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from cost_models.frequency import CLOCK_BAND
from spec.cost_report import ErrorBand
from spec.design_point import DEFAULT_SYSTEM, DesignPoint
from spec.measured_clocks import MEASURED_MODEL
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8
from spec.resources import RESOURCE_NAMES
from spec.workload import STAGES, Stage

RATES = ("prefill_tokens_per_s", "decode_tokens_per_s")
# Metrics of one stage; every other metric takes the wider of both.
STAGE_OF: dict[str, Stage] = {
    "prefill_latency_s": "prefill",
    "prefill_tokens_per_s": "prefill",
    "prefill_energy_j_per_token": "prefill",
    **{f"prefill_{kind}": "prefill" for kind in RESOURCE_NAMES},
    "tpot_s": "decode",
    "decode_tokens_per_s": "decode",
    "decode_energy_j_per_token": "decode",
    **{f"decode_{kind}": "decode" for kind in RESOURCE_NAMES},
}
# What goes with one over the clock: times, and energies as far as power does not fall with the clock.
_BY_CLOCK = (
    "prefill_latency_s", "tpot_s", "ttft_s", "e2e_latency_s",
    "energy_j", "energy_j_per_token", "prefill_energy_j_per_token", "decode_energy_j_per_token",
)  # fmt: skip


def unmeasured_choices(point: DesignPoint, model: ModelConfig) -> dict[Stage, tuple[str, ...]]:
    """What each stage of a design has that the measured pair has not, by name."""
    names = [field.name for field in fields(DEFAULT_SYSTEM)]
    common = [name for name in names if getattr(point.system, name) != getattr(DEFAULT_SYSTEM, name)]
    if point.quant_scheme.model_copy(update={"name": W4A4KV8.name}) != W4A4KV8:
        common.append("quant_scheme")
    if model.name != MEASURED_MODEL:
        common.append("model")
    prefill, decode = PrefillModules(), DecodeModules()
    own: dict[Stage, list[str]] = {
        "prefill": [n for n in PrefillModules.model_fields if getattr(point.prefill.modules, n) != getattr(prefill, n)],
        "decode": [n for n in DecodeModules.model_fields if getattr(point.decode.modules, n) != getattr(decode, n)],
    }
    if point.hmt is not None:
        own["prefill"].append("hmt")
    return {stage: (*own[stage], *common) for stage in STAGES}


def widened_for_choices(bands: dict[str, ErrorBand], choices: dict[Stage, tuple[str, ...]]) -> dict[str, ErrorBand]:
    """`bands` of the measured pair as they hold for a design with these unmeasured `choices`; each holds its old one."""
    result = {}
    for name, band in bands.items():
        of = (STAGE_OF[name],) if name in STAGE_OF else STAGES
        unmeasured = max((choices[stage] for stage in of), key=len)
        if not unmeasured:
            result[name] = band
            continue
        power = (1 + len(unmeasured)) ** 0.5
        result[name] = ErrorBand(
            relative_low=(1 + band.relative_low) ** power - 1,
            relative_high=(1 + band.relative_high) ** power - 1,
            basis=f"{band.basis}; wider, for nobody measured: {', '.join(unmeasured)}",
        )
    return result


@dataclass(frozen=True, slots=True)
class ClockRange:
    """Between which parts of the priced clock (low <= 1 <= high) the true clock is expected."""

    low: float
    high: float

    @classmethod
    def of(cls, target_mhz: float, expected_mhz: float, priced_mhz: float) -> ClockRange:
        """By the band of the clock law; the tools never give more than they are asked for."""
        return cls(
            min(1.0, (1 + CLOCK_BAND[0]) * expected_mhz / priced_mhz),
            max(1.0, min(target_mhz, (1 + CLOCK_BAND[1]) * expected_mhz) / priced_mhz),
        )


def widened_for_clocks(bands: dict[str, ErrorBand], clocks: dict[Stage, ClockRange]) -> dict[str, ErrorBand]:
    """`bands` at the priced clock as they hold at a clock that nobody measured."""
    result = dict(bands)
    for name, band in bands.items():
        of = [clocks[STAGE_OF[name]]] if name in STAGE_OF else [clocks[stage] for stage in STAGES]
        low, high = min(each.low for each in of), max(each.high for each in of)
        if low == high == 1.0:
            continue
        if name in _BY_CLOCK:
            shrink, grow = 1 / high, 1 / low
        elif name in RATES:
            shrink, grow = low, high
        else:
            continue
        result[name] = ErrorBand(
            # Not by rounding inside what it was.
            relative_low=min(band.relative_low, (1 + band.relative_low) * shrink - 1),
            relative_high=max(band.relative_high, (1 + band.relative_high) * grow - 1),
            basis=f"{band.basis}; times the band of the clock, which nobody measured",
        )
    return result
