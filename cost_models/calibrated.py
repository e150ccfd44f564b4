"""A CalibrationTable applied to the laws: modules and stages scaled so that every sum still holds, and the bands after it.

A whole-stage factor sets the total, module factors set the shares: without a whole-stage measurement the total is the
sum of the calibrated modules. A stage without entries is returned as it is, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.hmt import PLUGIN_MODULES
from cost_models.stage_cost import StageCost
from spec.calibration import TIME_METRICS, CalibrationEntry, CalibrationTable
from spec.cost_report import ErrorBand
from spec.errors import UnknownNameError
from spec.module_choices import ProcessGranularity
from spec.resources import RESOURCE_NAMES
from spec.workload import STAGES, Stage

# The module of decode whose cycles differ between the first step and the mean of the others (context length).
_CONTEXT_MODULE = "attention"

# Power times which time an energy is.
_TIME_OF_ENERGY = {
    "energy_j": "e2e_latency_s",
    "energy_j_per_token": "e2e_latency_s",
    "prefill_energy_j_per_token": "prefill_latency_s",
    "decode_energy_j_per_token": "tpot_s",
}

# What can be measured of a generated project alone, and so of our library, also where its lineage is not told.
_OF_GENERATED_PROJECTS = ("timed_sim", "open_synthesis")

_WIDER = "calibrated: the wider of the bands of its parts"


def calibrate_stage(cost: StageCost, table: CalibrationTable | None) -> StageCost:
    """`cost` with the factors of its stage: cycles and DSP by module and in total, other resources in total.

    Raises:
        UnknownNameError: the table names a module that this stage does not have.
    """
    entries = [] if table is None else [e for e in table.of(cost.stage) if e.metric != "power_w"]
    if table is None or not entries:
        return cost
    # A table may be fitted on designs with the HMT plug-in and be used for one without.
    names = [*(module.name for module in cost.modules), *PLUGIN_MODULES]
    for entry in entries:
        if entry.module is not None and entry.module not in names:
            raise UnknownNameError(f"module of {cost.stage}", entry.module, names, field="calibration.entries")
    cost = _with_time(cost, table, {e.module: e.factor for e in entries if e.module and e.metric == "cycles"})
    return _with_resources(cost, table, {e.module: e.factor for e in entries if e.module and e.metric == "dsp"})


def _whole(table: CalibrationTable, stage: Stage, metric: str) -> CalibrationEntry | None:
    return next((e for e in table.of(stage) if e.module is None and e.metric == metric), None)


def _sum(columns: list[FloatArray]) -> FloatArray:
    return np.asarray(sum(columns, np.zeros_like(columns[0])))


def _scaled(before: FloatArray, after: FloatArray, whole: CalibrationEntry | None) -> FloatArray:
    """What the module-wise calibrated `after` must be multiplied by to reach the calibrated total, (n_points,)."""
    if whole is None:
        return np.ones_like(after)
    return whole.factor * np.divide(before, after, out=np.ones_like(after), where=after > 0)


def _with_time(cost: StageCost, table: CalibrationTable, factors: dict[str, float]) -> StageCost:
    whole = table.stage_time(cost.stage)
    if whole is None and not factors:
        return cost
    before = [module.critical for module in cost.modules]
    shaped = [module.critical * factors.get(module.name, 1.0) for module in cost.modules]
    scale = _scaled(_sum(before), _sum(shaped), whole)
    modules = tuple(
        replace(module, critical=critical * scale, busy=module.busy * factors.get(module.name, 1.0) * scale)
        for module, critical in zip(cost.modules, shaped, strict=True)
    )
    total = _sum([module.critical for module in modules])
    cycles = np.where(cost.cycles > 0, total, 0.0)  # decode of one output token has no further step
    first = cycles
    if cost.stage == "decode":
        first = total + (cost.first_cycles - _sum(before)) * factors.get(_CONTEXT_MODULE, 1.0) * scale
    return replace(cost, detail=lambda: modules, cycles=cycles, first_cycles=first)


def _with_resources(cost: StageCost, table: CalibrationTable, dsp_factors: dict[str, float]) -> StageCost:
    found = {name: _whole(table, cost.stage, name) for name in RESOURCE_NAMES}
    counts = {name: entry.factor * getattr(cost.resources, name) for name, entry in found.items() if entry is not None}
    parts = cost.parts
    if found["dsp"] is not None or dsp_factors:
        zero = np.zeros(len(cost.cycles))
        before = {name: zero + part.dsp for name, part in cost.parts.items()}
        shaped = {name: dsp * dsp_factors.get(name, 1.0) for name, dsp in before.items()}
        scale = _scaled(_sum(list(before.values())), _sum(list(shaped.values())), found["dsp"])
        parts = {name: replace(part, dsp=shaped[name] * scale) for name, part in cost.parts.items()}
        counts["dsp"] = _sum([dsp * scale for dsp in shaped.values()])
    if not counts:
        return cost
    return replace(cost, parts=parts, resources=replace(cost.resources, **counts))


def calibrate_power(
    power_w: FloatArray, dynamic_w: FloatArray, stage: Stage, table: CalibrationTable | None
) -> tuple[FloatArray, FloatArray]:
    """Total and dynamic power (W) with the stage's factor on the total; idle power was measured and stays."""
    entry = None if table is None else table.find(stage, None, "power_w")
    if entry is None:
        return power_w, dynamic_w
    total = power_w * entry.factor
    dynamic = np.where(np.isnan(power_w), dynamic_w * entry.factor, np.maximum(total - (power_w - dynamic_w), 0.0))
    return total, dynamic


@dataclass(frozen=True, slots=True)
class _Bands:
    """The bands being made: `base` uncalibrated, `now` calibrated where that changed something; `thin`: some factor comes of
    one design alone.
    """

    base: dict[str, ErrorBand]
    now: dict[str, ErrorBand]
    thin: bool

    def put(self, name: str, band: ErrorBand | None) -> None:
        if band is not None and name in self.base:
            self.now[name] = band


def calibrated_bands(
    base: dict[str, ErrorBand], table: CalibrationTable | None, prefill: StageCost, decode: StageCost
) -> dict[str, ErrorBand]:
    """`base` with the bands that `table` changes. `prefill` and `decode` are the calibrated costs of one design.

    A kind of resource gets a band for each stage (`prefill_lut`); the band of both stages is the wider of the two.
    """
    if table is None or not table.entries:
        return base
    bands = _Bands(base, dict(base), any(entry.floored or entry.designs == 1 for entry in table.entries))
    time: dict[Stage, ErrorBand | None] = {
        "prefill": _time_band(prefill, table, base["prefill_latency_s"]),
        "decode": _time_band(decode, table, base["tpot_s"]),
    }
    bands.put("prefill_latency_s", time["prefill"])
    bands.put("tpot_s", time["decode"])
    for stage in STAGES:
        rate, inverse = f"{stage}_tokens_per_s", _inverse(time[stage])
        thin = any(e.floored or e.designs == 1 for e in table.of(stage) if e.metric in TIME_METRICS)
        bands.put(rate, _wider([base[rate], inverse], inverse.basis) if inverse and thin else inverse)
    if time["prefill"] or time["decode"]:
        parts = _wider([time["prefill"] or base["prefill_latency_s"], time["decode"] or base["tpot_s"]])
        for name in ("ttft_s", "e2e_latency_s"):
            bands.put(name, _wider([base[name], parts], parts.basis) if bands.thin else parts)
    touched = []
    for kind in RESOURCE_NAMES:
        stages = {cost.stage: _resource_band(cost, table, kind, base) for cost in (prefill, decode)}
        if not any(stages.values()):
            continue
        for stage, band in stages.items():
            bands.now[f"{stage}_{kind}"] = band or base[f"{stage}_{kind}"]
        bands.now[kind] = _wider([bands.now[f"{stage}_{kind}"] for stage in STAGES])
        touched.append(bands.now[kind])
    if touched:
        bands.put("max_utilization", _wider([base["max_utilization"], *touched]))
    power = [
        _floored(e, base.get("power_w")) for stage in STAGES if (e := table.find(stage, None, "power_w")) is not None
    ]
    if power:
        bands.put("power_w", _wider(power if len(power) == len(STAGES) else [base["power_w"], *power]))
    for name, time_name in _TIME_OF_ENERGY.items():
        if name in base and (power or bands.now[time_name] != base[time_name]):
            bands.put(name, _energy_band(base[name], bands, time_name))
    return bands.now


def _time_band(cost: StageCost, table: CalibrationTable, base: ErrorBand) -> ErrorBand | None:
    whole = table.stage_time(cost.stage)
    if whole is not None:
        return _floored(whole, base)
    return _mixed(cost, table, "cycles", {module.name: module.critical for module in cost.modules}, base)


def _resource_band(cost: StageCost, table: CalibrationTable, kind: str, base: dict[str, ErrorBand]) -> ErrorBand | None:
    whole = _whole(table, cost.stage, kind)
    own = base[f"{cost.stage}_{kind}"]
    if whole is not None:
        return _floored(whole, own)
    if kind != "dsp":
        return None
    shares = {name: part.dsp for name, part in cost.module_resources.items()}
    return _mixed(cost, table, "dsp", shares, own)


def _floored(entry: CalibrationEntry, base: ErrorBand | None) -> ErrorBand:
    """The entry's band; never narrower than what this very design has without calibration, while that rests on one design (or
    on ranges, or on a tool that shares our laws): another card or choice may have widened it beyond what the fit knew.
    """
    if base is None or not (entry.floored or entry.designs == 1):
        return entry.band
    return _wider([base, entry.band], entry.band.basis)


def _mixed(
    cost: StageCost, table: CalibrationTable, metric: str, shares: dict[str, FloatArray], base: ErrorBand
) -> ErrorBand | None:
    """Bands of the modules, weighted by their shares: errors of modules may go together, so they add up in full."""
    entries = {e.module: e for e in table.of(cost.stage) if e.metric == metric and e.module is not None}
    total = math.fsum(float(share[0]) for share in shares.values())
    if not entries or total <= 0:
        return None
    low = high = 0.0
    for module, share in shares.items():
        band = _floored(entries[module], base) if module in entries else base
        low += band.relative_low * float(share[0]) / total
        high += band.relative_high * float(share[0]) / total
    basis = f"calibrated modules ({', '.join(sorted(entries))}) and uncalibrated others, weighted by their shares"
    return ErrorBand(relative_low=low, relative_high=high, basis=basis)


def _inverse(band: ErrorBand | None) -> ErrorBand | None:
    if band is None:
        return None
    return ErrorBand(
        relative_low=1 / (1 + band.relative_high) - 1, relative_high=1 / (1 + band.relative_low) - 1, basis=band.basis
    )


def _wider(bands: list[ErrorBand], basis: str = _WIDER) -> ErrorBand:
    return ErrorBand(
        relative_low=min(band.relative_low for band in bands),
        relative_high=max(band.relative_high for band in bands),
        basis=basis,
    )


def _energy_band(base: ErrorBand, bands: _Bands, time_name: str) -> ErrorBand:
    """Power times time, at the worst of both; narrower than `base` only where neither of the two got wider."""
    power, time = bands.now["power_w"], bands.now[time_name]
    worst = ErrorBand(
        relative_low=(1 + power.relative_low) * (1 + time.relative_low) - 1,
        relative_high=(1 + power.relative_high) * (1 + time.relative_high) - 1,
        basis="calibrated: bands of power and time, both at their worst",
    )
    parts = ("power_w", time_name)
    if any(
        bands.now[name].relative_low < bands.base[name].relative_low
        or bands.now[name].relative_high > bands.base[name].relative_high
        for name in parts
    ):
        return _wider([base, worst])
    if bands.thin:
        return base
    inside = worst.relative_low > base.relative_low and worst.relative_high < base.relative_high
    return worst if inside else base


def calibration_notes(table: CalibrationTable | None, as_priced: Mapping[Stage, ProcessGranularity]) -> list[str]:
    """What a report says of the calibration in its assumptions; nothing for none. `as_priced`: granularity of each stage."""
    if table is None or not table.entries:
        return []
    notes = []
    for entry in table.entries:
        spread = f"{entry.relative_low:+.1%} .. {entry.relative_high:+.1%}"
        designs = "1 design" if entry.designs == 1 else f"{entry.designs} designs"
        notes.append(f"{entry.label} x{entry.factor:.4f} ({entry.provenance}, {designs}; {spread})")
    head = f"calibration {table.key()}, fitted on {table.device}, model version {table.model_version}"
    notes = [f"{head}: {'; '.join(notes)}"]
    if table.device_digest is None:
        notes.append(table.device_by_name_note)
    if not all(any(entry.stage == stage for entry in table.entries) for stage in STAGES):
        other = next(stage for stage in STAGES if not any(entry.stage == stage for entry in table.entries))
        notes.append(f"{other} is not calibrated: a factor of one stage is never applied to the other")
    of_ours = sorted({e.provenance for e in table.entries if e.of_projects or e.provenance in _OF_GENERATED_PROJECTS})
    elements = [stage for stage, granularity in as_priced.items() if granularity == "element"]
    if of_ours and elements:
        notes.append(
            f"factors of {', '.join(of_ours)} are of kernels of our library (process_granularity: array); "
            f"{' and '.join(elements)} {'is' if len(elements) == 1 else 'are'} priced as element, "
            "of which nothing of that was measured"
        )
    if any(entry.metric in RESOURCE_NAMES for entry in table.entries):
        notes.append("the floorplan by region is that of the models, not calibrated")
    return notes
