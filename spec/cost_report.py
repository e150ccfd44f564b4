"""CostReport: the priced design as a document; the arrays behind it live in the cost models."""

from __future__ import annotations

from typing import Literal

from spec.resources import ResourceVector
from spec.strict import StrictModel
from spec.violation import Violation
from spec.workload import Stage

Provenance = Literal["analytical", "timed_sim", "csynth", "cosim", "post_route", "board"]
Bound = Literal["compute", "hbm", "serial", "fill"]


class ErrorBand(StrictModel):
    """Relative error that the value may have, and where that statement comes from."""

    relative_low: float
    relative_high: float
    basis: str


class ModuleCost(StrictModel):
    """One module of one stage. `critical_cycles` sum to the stage's cycles; `busy_cycles` may overlap."""

    stage: Stage
    module: str
    cycles: float
    busy_cycles: float
    bound_by: Bound
    dsp: int
    source: str


class Utilization(StrictModel):
    """Used fraction of the whole card, shell included."""

    lut: float
    ff: float
    dsp: float
    bram_18k: float
    uram: float


class PrefillReport(StrictModel):
    """The prefill stage."""

    latency_s: float
    cycles: float
    clock_mhz: float
    tokens_per_s: float | None
    bound_by: str
    resources: ResourceVector
    utilization: Utilization


class DecodeReport(StrictModel):
    """The decode stage. `cycles` is the mean decode step after the first."""

    tpot_s: float | None
    first_step_s: float
    cycles: float
    clock_mhz: float
    tokens_per_s: float | None
    bound_by: str
    resources: ResourceVector
    utilization: Utilization


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
    """Model quality of the quantization scheme."""

    value: float | None
    missing: str | None


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
    violations: tuple[Violation, ...]
    assumptions: tuple[str, ...]
    error_band: dict[str, ErrorBand]
    hmt: HmtReport | None = None
