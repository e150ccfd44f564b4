"""Amounts as the typed report that all synthesis backends share."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from hls_gen.toolchain.open.totals import Amount, UnitAmount, total
from spec.design_point import DesignPoint
from spec.device import Device
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
_NO_SLR = Absent("not a report per region")

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
    names = ("lut", "ff", "dsp", "bram_18k", "uram")
    return ResourceCounts(**{name: sum(getattr(slr.total, name) for slr in device.slrs) for name in names})


def _slrs(stage: Stage, design: DesignPoint, device: Device, resources: ResourceCounts) -> tuple[SlrRow, ...]:
    """The region of a kernel that is bound to one; a kernel that is left to the placer has none."""
    names = {one.slr for one in design.kernels if one.kernel == stage or one.module == stage}
    bound = [slr for slr in device.slrs if slr.name in names]
    if len(names) != 1 or len(bound) != 1:
        return ()
    whole = bound[0].total

    def share(name: str) -> float:
        return getattr(resources, name) / getattr(whole, name) if getattr(whole, name) else 0.0

    utilization = ResourceFractions(
        lut=share("lut"), ff=share("ff"), dsp=share("dsp"), bram_18k=share("bram_18k"), uram=share("uram")
    )
    return (SlrRow(name=bound[0].name, resources=resources, utilization=utilization),)


def kernel_report(
    stage: Stage,
    rows: Sequence[UnitAmount],
    design: DesignPoint,
    device: Device,
    yosys: str,
    timing_table_version: str,
) -> SynthesisReport:
    """The report of one kernel."""
    whole = total(rows)
    resources = _resources(whole, upper=True)
    slrs = _slrs(stage, design, device, resources)
    placed = () if slrs else ("no region is named for the kernel: all of it counts for the card alone",)
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
        resources_at_least=_resources(whole, upper=False),
        available=_available(device),
        available_per_slr=_NO_SLR,
        timing=_NOT_PLACED,
        power=_NOT_PLACED,
        modules=tuple(_module(row) for row in rows),
        slrs=slrs,
        assumptions=(*_ASSUMPTIONS, *((_VERSAL,) if device.dsp_kind == "dsp58" else ()), *placed),
    )
