"""Amounts as the typed report that all synthesis backends share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor

from hls_gen.toolchain.open.totals import Amount, UnitAmount, total
from spec.design_point import DesignPoint
from spec.device import Device, SuperLogicRegion
from spec.resources import RESOURCE_NAMES as _NAMES
from spec.synthesis_report import (
    Absent,
    CycleRange,
    ModuleRow,
    ResourceCounts,
    ResourceFractions,
    SlrRow,
    SynthesisReport,
    measured,
)
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from spec.workload import Stage

_NOT_PLACED = Absent("nothing is placed or routed: no clock, no timing and no power follow from counts of cells")
_OTHER_STEP = Absent("counts of cells have no cycles: flexdse simulate gives them")
_NO_SLR = Absent("the regions of a card differ: see slrs, whose fractions are of each")

_ASSUMPTIONS = (
    (
        "leaf units are RTL of ours that equals the C++ library bit for bit, mapped for UltraScale+ by Yosys; what Vitis HLS"
        " would write is another netlist of the same operators"
    ),
    (
        "LUT and FF are a range: LUTs paired into sites and single; operators as routed and as estimated; control and"
        " adapters as far as reports of real kernels tell"
    ),
    "DSP slices: instantiated in integer leaves; fp32 operators as Vitis HLS binds them (timing table)",
    "memories: 18 kbit blocks and UltraRAM in the cheapest aspect ratio; up to 128 words in LUTs, as csynth reports show",
)
_VERSAL = (
    "the device is a Versal: LUT and FF of UltraScale+ stand in for its own, as a proxy; a DSP58 counts like the DSP48E2"
    " that it replaces, and is an fp32 multiplier or adder by itself (AM004)"
)


def _resources(amount: Amount, upper: bool) -> ResourceCounts:
    lut, ff = (ceil(r.high) if upper else floor(r.low) for r in (amount.lut, amount.ff))
    return ResourceCounts(lut=lut, ff=ff, dsp=amount.dsp, bram_18k=amount.bram_18k, uram=amount.uram)


def _module(row: UnitAmount) -> ModuleRow:
    cycles = measured(CycleRange, min_cycles=_OTHER_STEP, max_cycles=_OTHER_STEP)
    return measured(
        ModuleRow,
        name=row.name,
        instances=row.instances,
        pipeline=_OTHER_STEP,
        latency=cycles,
        interval=cycles,
        estimated_clock_ns=_NOT_PLACED,
        resources=_resources(row.amount, upper=True),
        resources_at_least=_resources(row.amount, upper=False),
    )


def _available(device: Device) -> ResourceCounts:
    return ResourceCounts(**{name: sum(getattr(slr.total, name) for slr in device.slrs) for name in _NAMES})


def _slrs(
    stage: Stage,
    design: DesignPoint,
    device: Device,
    least: ResourceCounts,
    most: ResourceCounts,
    shares: Mapping[str, Mapping[str, float]],
) -> tuple[tuple[SlrRow, ...], str]:
    """What each region holds of a kernel, and where that comes from: the region that the design names, else `shares`."""
    names = {one.slr for one in design.kernels if one.kernel == stage or one.module == stage}
    bound = [slr for slr in device.slrs if slr.name in names]
    if len(names) == 1 and len(bound) == 1:
        return (_slr_row(bound[0], least, most),), f"region: {bound[0].name}, which the design names"
    if not shares:
        return (
            (),
            "no region is named for the kernel, and no assignment of its modules is known: it counts for the card",
        )
    low, high = _divided(least, shares), _divided(most, shares)
    return tuple(_slr_row(slr, low[slr.name], high[slr.name]) for slr in device.slrs), (
        "regions: the kernel divided like an assignment of its modules that fits, by the cost models; nothing is placed"
    )


def _divided(whole: ResourceCounts, shares: Mapping[str, Mapping[str, float]]) -> dict[str, ResourceCounts]:
    """`whole` by region, rounded so that the regions sum to it."""
    counts: dict[str, dict[str, int | Absent]] = {region: {} for region in shares}
    for name in _NAMES:
        before, given = 0.0, 0
        for region, share in shares.items():
            before += share[name] * getattr(whole, name)
            counts[region][name] = round(before) - given
            given = round(before)
    return {region: measured(ResourceCounts, **found) for region, found in counts.items()}


def _slr_row(slr: SuperLogicRegion, least: ResourceCounts, most: ResourceCounts) -> SlrRow:
    whole = slr.total
    fractions = {name: getattr(most, name) / getattr(whole, name) if getattr(whole, name) else 0.0 for name in _NAMES}
    return SlrRow(
        name=slr.name,
        resources=most,
        resources_at_least=least,
        utilization=measured(ResourceFractions, **fractions),
    )


def kernel_report(
    stage: Stage,
    rows: Sequence[UnitAmount],
    design: DesignPoint,
    device: Device,
    yosys: str,
    timing_table_version: str,
    shares: Mapping[str, Mapping[str, float]],
) -> SynthesisReport:
    """The report of one kernel. `shares`: of its resources in each region, where the design names none; may be empty."""
    whole = total(rows)
    resources = _resources(whole, upper=True)
    least = _resources(whole, upper=False)
    slrs, placed = _slrs(stage, design, device, least, resources, shares)
    return measured(
        SynthesisReport,
        flexdse_version=FLEXDSE_VERSION,
        model_version=MODEL_VERSION,
        timing_table_version=timing_table_version,
        provenance="open_synthesis",
        kind="open_synthesis",
        tool="yosys",
        tool_version=yosys,
        part=device.part_number,
        top=stage,
        clock=_NOT_PLACED,
        latency=_OTHER_STEP,
        interval=_OTHER_STEP,
        resources=resources,
        resources_at_least=least,
        available=_available(device),
        available_per_slr=_NO_SLR,
        timing=_NOT_PLACED,
        power=_NOT_PLACED,
        modules=tuple(_module(row) for row in rows),
        slrs=slrs,
        assumptions=(*_ASSUMPTIONS, *((_VERSAL,) if device.dsp_kind == "dsp58" else ()), placed),
    )
