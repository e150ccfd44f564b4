"""What the kernels of both stages share: names, placement, clock, and which passes the C simulation computes."""

from __future__ import annotations

import math

from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.ports import reserved_ports
from hls_gen.planning.types import KernelPlan, PortPlan
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.workload import Stage

MAX_D_IN = 17476  # two packed accumulators in one DSP, numerics.md "Accumulate" and library pe.hpp

CSIM_PASSES = 3  # first, one in the middle, last: what passes do to each other shows between two neighbours


def plan_kernel(design: DesignPoint, stage: Stage, io_port: PortPlan) -> KernelPlan:
    """Names, placement and clock of a stage's kernel.

    Raises:
        InputError: the design puts a stage's modules in several kernels.
    """
    placements = [entry for entry in design.kernels if entry.module.split(".")[0] == stage]
    whole = [entry for entry in placements if entry.module == stage]
    parts = [entry.module for entry in placements if entry.module != stage]
    if parts or len(whole) != 1:
        raise InputError(
            f"{stage} is not one kernel",
            field="kernels",
            value=parts or [entry.module for entry in whole],
            rule=f"exactly one entry for {stage}, none for parts of it: a stage is generated as one kernel",
            hint=f"keep only the entry of {stage}",
        )
    clock_mhz = getattr(design.clock_target_mhz, stage)
    return KernelPlan(
        function=f"{stage}_linear",
        instance=f"{whole[0].kernel}_1",
        slr=whole[0].slr,
        clock_mhz=clock_mhz,
        clock_period_ns=f"{math.floor(1e6 / clock_mhz) / 1e3:.3f}",  # down: never slower than asked for
        io_port=io_port,
        reserved_ports=reserved_ports(design, stage),
    )


def check_d_in(name: str, d_in: int, model_field: str) -> None:
    """Refuse a dot product that two packed accumulators can not hold."""
    if d_in > MAX_D_IN:
        raise InputError(
            f"the input of {name} is too long for packed int4 accumulators",
            field=f"model.{model_field}",
            value=d_in,
            rule=f"at most {MAX_D_IN} channels",
            hint="take a model with smaller layers",
        )


def csim_channels(channels: int, lanes: int) -> tuple[int, int]:
    """(channels, passes) that C simulation computes of `channels` at `lanes` a pass: whole passes, the last as ragged."""
    passes = ceil_div(channels, lanes)
    if passes <= CSIM_PASSES:
        return channels, passes
    last = channels - (passes - 1) * lanes
    return (CSIM_PASSES - 1) * lanes + last, CSIM_PASSES
