"""CostReport: the priced design as a document; the arrays behind it live in the cost models."""

from __future__ import annotations

from typing import Literal

from spec.memory_capacity import CapacityReport
from spec.resources import ResourceDemand
from spec.strict import StrictModel
from spec.violation import Violation
from spec.workload import Stage

Provenance = Literal["analytical", "timed_sim", "csynth", "cosim", "post_route", "board"]
Bound = Literal["compute", "hbm", "serial", "fill"]
# fits: every limit holds up to the high end of the error bands. within_band: none is broken for sure, and one lies within
# the band of its estimate (`open_limits`). does_not_fit: one is broken even at the low end of the band (`violations`).
Fit = Literal["fits", "within_band", "does_not_fit"]


class ErrorBand(StrictModel):
    """Relative error that the value may have, and where that statement comes from."""

    relative_low: float
    relative_high: float
    basis: str


class OpenLimit(StrictModel):
    """A limit within the error band of what is held against it: no violation, and no promise either."""

    constraint: str
    where: str
    demand: float
    relative_low: float
    relative_high: float
    bound: float
    unit: str
    message: str
    levers: tuple[str, ...]


class ModuleCost(StrictModel):
    """One module of one stage. `cycles` sum to the stage's cycles, of which each is a `share`; `busy_cycles` may overlap.

    `dsp` is null for a module that computes on the array of another, which `dsp_in` names.
    """

    stage: Stage
    module: str
    cycles: float
    busy_cycles: float
    bound_by: Bound
    dsp: int | None
    source: str
    share: float | None = None
    dsp_in: str | None = None


class Utilization(StrictModel):
    """Used fraction of the whole card, shell included."""

    lut: float
    ff: float
    dsp: float
    bram_18k: float
    uram: float


class PrefillReport(StrictModel):
    """The prefill stage.

    `clock_mhz` is what it is priced at, `achievable_clock_mhz` what the frequency model expects of the tools whatever
    they are asked for. `clb_fraction`: predicted fraction of the card's CLBs, shell included. Power and energy (per
    prefilled token) are the board's, idle included.
    """

    latency_s: float
    cycles: float
    clock_mhz: float
    clock_target_mhz: float
    achievable_clock_mhz: float
    tokens_per_s: float | None
    bound_by: str
    resources: ResourceDemand
    utilization: Utilization
    clb_fraction: float
    power_w: float | None
    energy_j_per_token: float | None


class DecodeReport(StrictModel):
    """The decode stage. `cycles` is the mean decode step after the first; energy per output token; clocks, CLBs and
    power as in `PrefillReport`.
    """

    tpot_s: float | None
    first_step_s: float
    cycles: float
    clock_mhz: float
    clock_target_mhz: float
    achievable_clock_mhz: float
    tokens_per_s: float | None
    bound_by: str
    resources: ResourceDemand
    utilization: Utilization
    clb_fraction: float
    power_w: float | None
    energy_j_per_token: float | None


class ChannelTraffic(StrictModel):
    """Mean traffic of one HBM channel during one stage against what the channel sustains."""

    stage: Stage
    channel: int
    bytes_per_s: float
    limit_bytes_per_s: float


class MemoryReport(StrictModel):
    """External memory: decode traffic, what is stored, and every busy channel."""

    hbm_bytes_per_s: float | None
    hbm_fraction: float | None
    prefill_hbm_bytes_per_s: float | None
    weight_bytes: int
    kv_cache_bytes: int
    channels: tuple[ChannelTraffic, ...]


class HmtReport(StrictModel):
    """The HMT plug-in. `plugin_latency_s_per_segment` is its own time, the additional summary windows not included."""

    segments: int
    segment_tokens: int
    plugin_latency_s_per_segment: float | None
    prefill_latency_s: float


class QualityReport(StrictModel):
    """Model quality of the quantization scheme: `value`, its band, and what it rests on; None with the reason."""

    value: float | None
    missing: str | None
    low: float | None = None
    high: float | None = None
    kind: str | None = None
    detail: str | None = None


class CostReport(StrictModel):
    """Everything that the models say about one design on one workload."""

    provenance: Provenance
    metrics: dict[str, float | None]
    missing: dict[str, str]
    prefill: PrefillReport
    decode: DecodeReport
    ttft_s: float
    e2e_latency_s: float
    energy_j: float | None
    energy_j_per_token: float | None
    power_w: float | None
    quality: QualityReport
    memory: MemoryReport
    breakdown: tuple[ModuleCost, ...]
    capacity: CapacityReport
    fit: Fit
    violations: tuple[Violation, ...]
    open_limits: tuple[OpenLimit, ...]
    assumptions: tuple[str, ...]
    error_band: dict[str, ErrorBand]
    hmt: HmtReport | None = None
