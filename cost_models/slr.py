"""Super logic regions (SLR): what each can hold, how a stage falls into units, and a fast necessary condition.

A kernel is a graph of processes that pipelined streams connect, so a module may stand in any SLR, but a process does
not straddle two. What every assignment of units to SLRs must hold can be checked without one, for whole batches:

1. no unit is larger than the largest SLR, in CLBs, DSPs or URAMs (block RAM is spread over many small buffers),
2. the adapters of the HBM ports fit the SLR that the HBM is attached to.

(That all units together fit all SLRs is the utilization rule of the whole card.) The exact assignment is in
`dse.floorplan`; it never accepts what these refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from cost_models.bands import resource_band
from cost_models.clb import CLB_CAP, CLB_PER_LUT_FRACTION
from cost_models.kernels.adapters import adapter_amounts
from cost_models.kernels.parts import RowParts
from cost_models.kernels.pieces import pieces_of
from cost_models.stage_cost import StageCost
from spec.design_batch import DecodeBatch, MemoryPorts, PrefillBatch
from spec.device import Device, SuperLogicRegion
from spec.legality import Rule
from spec.module_choices import ProcessGranularity
from spec.resources import RESOURCE_NAMES
from spec.workload import Stage

# Highest used fraction of a card and of each of its SLRs, shell included. DSP, BRAM, URAM 80 % and FF 50 %: the
# utilization guideline of AMD's UltraFast methodology (UG949). LUT 55 %: as FlexLLM's densest slots (its floorplanner
# was allowed 50 to 80 % of a slot).
UTILIZATION_CAPS = {"lut": 0.55, "ff": 0.50, "dsp": 0.80, "bram_18k": 0.80, "uram": 0.80}
SLL_CAP = 0.70  # builds of the series in clb.py failed at 62 and 69 % of a boundary's wires, with crowded CLBs
KINDS = (*RESOURCE_NAMES, "clb")  # clb: LUT sites of the CLBs that are taken


def slr_capacity(slr: SuperLogicRegion, device: Device, clb_cap: float = CLB_CAP) -> tuple[float, ...]:
    """What kernels may take of an SLR, by `KINDS`: below the caps with the shell's part, within the usable area."""
    shell = device.shell_in(slr)
    bounds = [
        max(0.0, min(float(getattr(slr.usable, name)), UTILIZATION_CAPS[name] * getattr(slr.total, name)
                     - getattr(shell, name)))
        for name in RESOURCE_NAMES
    ]  # fmt: skip
    return (*bounds, max(0.0, clb_cap * slr.total.lut - CLB_PER_LUT_FRACTION * shell.lut))


def attached_slr(device: Device, memory: str) -> int:
    """Index of the SLR whose edge the HBM or the DDR is at."""
    system = device.hbm if memory == "hbm" else device.ddr
    if system is None:
        raise ValueError(f"{device.name} has no {memory}")
    return [slr.name for slr in device.slrs].index(system.attached_slr)


def adapter_resources(ports: FloatArray | IntArray | float, bits: FloatArray | IntArray | float) -> ResourceArrays:
    """Resources of `ports` AXI adapters that are `bits` wide together, elementwise."""
    lut, ff, dsp, bram_18k = adapter_amounts(ports, bits)
    return ResourceArrays(lut, ff, dsp, bram_18k, uram=np.zeros_like(lut))


def slr_rules(cost: StageCost, batch: PrefillBatch | DecodeBatch, device: Device) -> Iterator[Rule]:
    """What any assignment of the stage's units to SLRs must hold."""
    pieces = {} if isinstance(cost.parts, RowParts) else pieces_of(cost.stage, cost.parts, batch)
    yield from unit_rules(cost.stage, len(batch), device, lambda kind: largest_unit(cost, pieces, kind))
    yield from memory_side_rules(cost.stage, batch, device)


def unit_rules(stage: Stage, n: int, device: Device, largest: Callable[[str], FloatArray]) -> Iterator[Rule]:
    """No unit is larger than the largest SLR. `largest`: what the largest unit of the stage needs of a kind, (n,)."""
    capacity = np.array([slr_capacity(slr, device) for slr in device.slrs])
    most = dict(zip(KINDS, capacity.max(axis=0), strict=True))
    one = np.broadcast_to(1.0, (n,))
    for kind, counted in (("clb", "lut"), ("dsp", "dsp"), ("uram", "uram")):
        scale = (CLB_PER_LUT_FRACTION if kind == "clb" else 1.0) / max(most[kind], 1e-9)
        low, high = resource_band(kind, device)
        yield Rule(
            constraint=f"slr_largest_unit_{kind}",
            where=stage,
            demand=largest(counted) * scale,
            bound=one,
            unit="of the largest SLR",
            message=f"a part of {stage} that cannot be divided needs more {kind} than any SLR of {device.name} has",
            levers=LEVERS[stage],
            relative_low=low,
            relative_high=high,
        )


def largest_unit(cost: StageCost, pieces: Mapping[str, IntArray | int], kind: str) -> FloatArray:
    """What the largest unit of the stage needs of a kind, (n_points,). `pieces`: units of each module, where the parts of the
    stage do not know them.
    """
    if isinstance(cost.parts, RowParts):
        return cost.parts.largest(kind, len(cost.cycles))
    number, worst = 0.0, np.zeros(len(cost.cycles))
    for module, parts in pieces.items():
        amount = getattr(cost.parts[module], kind)
        if not isinstance(parts, int) or parts > 1:
            amount = amount / parts
        if isinstance(amount, np.ndarray) and amount.ndim:
            np.maximum(worst, amount, out=worst)
        else:
            number = max(number, float(amount))
    return np.maximum(worst, number, out=worst) if number > 0 else worst


LEVERS: dict[Stage, tuple[str, ...]] = {
    "prefill": ("raise ffn_weight_blocks", "lower token_parallelism", "lower ffn_weight_parallelism"),
    "decode": ("raise engine_splits", "lower weight_parallelism", "lower block_parallelism"),
}


def memory_side_rules(stage: Stage, batch: PrefillBatch | DecodeBatch, device: Device) -> Iterator[Rule]:
    """The adapters of the HBM ports fit the SLR that the HBM is attached to; a matter of the placement alone."""
    if device.hbm is None:
        return
    capacity = slr_capacity(device.slrs[attached_slr(device, "hbm")], device)
    table, index, slr = batch.placements, batch.placement, device.hbm.attached_slr
    adapters = adapters_of(table.hbm_ports, batch.modules[0].process_granularity)
    for kind, counted in (("clb", adapters.lut * CLB_PER_LUT_FRACTION), ("ff", adapters.ff),
                          ("bram_18k", adapters.bram_18k)):  # fmt: skip
        bound = float(capacity[KINDS.index(kind)])
        low, high = resource_band(kind, device)
        yield Rule(
            constraint=f"slr_memory_side_{kind}",
            where=stage,
            demand=counted[index],
            bound=np.broadcast_to(bound, (len(batch),)),
            unit="LUT sites" if kind == "clb" else kind,
            message=f"the adapters of the HBM ports of {stage} do not fit {slr} of {device.name}, where the HBM is",
            levers=("use fewer or narrower HBM ports", "move scales, norm weights and io to DDR"),
            relative_low=low,
            relative_high=high,
        )


def adapters_of(ports: MemoryPorts, granularity: ProcessGranularity) -> ResourceArrays:
    """Adapters of all ports of a memory of each placement, (n_placements,)."""
    adapters = adapter_resources(ports.number, ports.total_bits)
    if granularity == "array":
        return replace(adapters, bram_18k=ports.adapter_bram_18k.astype(np.float64))
    return adapters
