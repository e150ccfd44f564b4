"""Board power of a stage and its energy a token.

    P = configured + clock (a (LUT e_lut + DSP e_dsp + BRAM18 e_bram + URAM e_uram) + FF e_ff) scale s + HBM bytes/s e_byte

`configured` is the board with the bitstream loaded and nothing running; the counts are the kernel's. `a` is the
activity: the share of the cycles in which the linear engines multiply; what waits for data does not toggle. Registers
and the clock tree toggle all the time. The energies a block and cycle have the ratios of a Vivado power report; one
factor `s` is fitted to FlexLLM's power log. `scale` is the card's fabric against the 16 nm U280.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.device import Device

# J a block and cycle at Vivado's default toggle rate: report_power of a routed Alveo U50 design (16 nm as the U280) with
# 475,034 LUT, 665,852 FF and 412.5 BRAM36 at 180 MHz, printed in the README of a public regular-expression accelerator
# (cyansemi.com): LUT logic, LUT RAM, shift registers, carry 1.757 W + signals 3.132 W; registers 0.137 W + clocks
# 2.464 W; block RAM 1.532 W.
LUT_J = (1.757 + 3.132) / 488_068 / 180e6
FF_J = (0.137 + 2.464) / 665_852 / 180e6
BRAM18_J = 1.532 / 825 / 180e6
URAM_J = 4 * BRAM18_J  # ASSUMPTION: a 72-bit URAM access as two BRAM36; no public figure
DSP_J = 5e-12  # ASSUMPTION: as some 90 LUTs; that design has four DSPs, and no public figure was found

# The one fitted number: how much more or less our fabric toggles than that report assumes. From the published counts,
# times and plateaus of FlexLLM's U280 pair: prefill 53.97 W gives 0.75, decode 57.66 W gives 0.98; their mean leaves each
# plateau of the board within 3.2 % (`fit_toggle_factor` and its test). The attribution of the plateaus is ours.
TOGGLE_FACTOR = 0.864

HBM_J_PER_BYTE = 3.92e-12 * 8  # HBM2 3.92 pJ/bit (O'Connor et al., MICRO 2017)


def linear_lanes(batch: PrefillBatch | DecodeBatch) -> FloatArray:
    """Multiply-accumulates a cycle that the linear engines are built for, (n_points,)."""
    if isinstance(batch, DecodeBatch):
        engines = _by_design(batch, [len(modules.linear_groups) for modules in batch.modules])
        return np.asarray(engines * batch.block_parallelism * batch.weight_parallelism, dtype=np.float64)
    wide = [sum(not _FFN.isdisjoint(group) for group in modules.linear_groups) for modules in batch.modules]
    narrow = [len(modules.linear_groups) - n for modules, n in zip(batch.modules, wide, strict=True)]
    columns = _by_design(batch, narrow) * batch.qkvo_weight_parallelism + (
        _by_design(batch, wide) * batch.ffn_weight_parallelism
    )
    return np.asarray(batch.token_parallelism * columns, dtype=np.float64)


_FFN = frozenset({"gate", "up", "down"})


def _by_design(batch: PrefillBatch | DecodeBatch, values: list[int]) -> IntArray | int:
    """A value of each module set, for each design."""
    return values[0] if batch.module_set is None else np.array(values, dtype=np.int64)[batch.module_set]


def engine_activity(batch: PrefillBatch | DecodeBatch, macs: float, cycles: FloatArray) -> FloatArray:
    """Share of the cycles in which the linear engines multiply, (n_points,), 0 where there are no cycles."""
    slots = linear_lanes(batch) * cycles
    return np.minimum(1.0, np.divide(macs, slots, out=np.zeros(len(batch)), where=slots > 0))


def toggled_j_per_cycle(resources: ResourceArrays, activity: FloatArray | float) -> FloatArray:
    """Energy of the fabric a cycle at Vivado's toggle rate, (n_points,)."""
    active = (
        resources.lut * LUT_J + resources.dsp * DSP_J + resources.bram_18k * BRAM18_J + resources.uram * URAM_J
    )  # fmt: skip
    return np.asarray(active * activity + resources.ff * FF_J)


def stage_power_w(
    resources: ResourceArrays,
    activity: FloatArray | float,
    clock_mhz: FloatArray,
    hbm_bytes_per_s: FloatArray,
    device: Device,
) -> tuple[FloatArray, FloatArray]:
    """Total and dynamic board power (W), (n_points,) each; the total is NaN where idle power is not known."""
    watts_per_j_per_cycle = TOGGLE_FACTOR * device.power.fabric_scale * 1e6 * clock_mhz
    dynamic = toggled_j_per_cycle(resources, activity) * watts_per_j_per_cycle + HBM_J_PER_BYTE * hbm_bytes_per_s
    idle = device.power.configured_w if device.power.configured_w is not None else np.nan
    return idle + dynamic, dynamic


def fit_toggle_factor(
    resources: ResourceArrays,
    activity: FloatArray,
    clock_mhz: FloatArray,
    dynamic_w: FloatArray,
    hbm_bytes_per_s: FloatArray,
) -> FloatArray:
    """The factor that each measured plateau asks for by itself, (n_plateaus,), on a 16 nm card."""
    fabric_w = dynamic_w - HBM_J_PER_BYTE * hbm_bytes_per_s
    return np.asarray(fabric_w / (toggled_j_per_cycle(resources, activity) * clock_mhz * 1e6))
