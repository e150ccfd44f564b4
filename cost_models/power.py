"""Board power of a stage and its energy a token.

    P = configured + clock (sum over both parts of a (LUT e_lut + DSP e_dsp + BRAM18 e_bram + URAM e_uram) + FF e_ff) scale s
        + HBM bytes/s e_hbm + DDR bytes/s e_ddr

`configured` is the board with the bitstream loaded and nothing running; the counts are the kernel's. The kernel has two parts,
attention and all else. `a` is the activity: the share of the cycles in which the linear engines multiply, and for attention
that of QK and AV where it is the larger one; what waits for data does not toggle. Registers and the clock tree toggle all
the time. Attention at its own activity throughout, which is the smaller one at short contexts, would leave FlexLLM's two
plateaus 5.2 % of board power in place of 3.2 %: there the activity of the linear engines stands for the whole kernel.
The energies a block and cycle have the ratios of a Vivado power report; one factor `s` is fitted to FlexLLM's power log.
`scale` is the card's fabric against the 16 nm U280.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from cost_models.kernels.parts import Amount, Part, Parts, RowParts, plus
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
# No measurement of DDR4 on an FPGA card was found. Xilinx puts HBM2 at a quarter of the energy a bit of a DDR4 DIMM ("HBM2:
# Data Fuel for the Alveo Engine", 2019, which has HBM2 at some 7 pJ/bit): 15.7 pJ/bit from the figure above, 28 from theirs.
DDR_J_PER_BYTE = 4 * HBM_J_PER_BYTE

ATTENTION_MODULES = frozenset({"attention", "attention_qk", "attention_softmax", "attention_av"})


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


def attention_lanes(batch: PrefillBatch | DecodeBatch, heads_per_read: int) -> FloatArray:
    """Multiply-accumulates a cycle that QK and AV are built for, (n_points,), of one set of modules. In decode each lane has
    rows for the query heads that share a read of the cache, `heads_per_read` where they do.
    """
    keys_and_values = batch.key_parallelism + batch.value_parallelism
    if isinstance(batch, DecodeBatch):
        rows = heads_per_read if batch.modules[0].kv_read == "per_kv_head" else 1
        return np.asarray(batch.head_parallelism * keys_and_values * float(rows))
    return np.asarray(batch.token_parallelism * keys_and_values, dtype=np.float64)


def engine_activity(lanes: FloatArray, macs: float, cycles: FloatArray) -> FloatArray:
    """Share of the cycles in which so many lanes multiply, (n_points,), 0 where there are no cycles."""
    slots = lanes * cycles
    if slots.all():  # without the mask, which costs four times the division
        share = macs / slots
    else:
        share = np.divide(macs, slots, out=np.zeros(len(slots)), where=slots > 0)
    return np.minimum(share, 1.0, out=share)


def active_j(part: Part | ResourceArrays) -> Amount:
    """Energy a cycle, at Vivado's toggle rate, of what toggles only at work; registers not included."""
    return part.lut * LUT_J + part.dsp * DSP_J + part.bram_18k * BRAM18_J + part.uram * URAM_J


def attention_active_j(parts: Parts, n: int) -> FloatArray:
    """The same of the modules of attention together, (n_points,)."""
    total: Amount = 0.0
    if isinstance(parts, RowParts):
        for group in parts.groups:
            total = plus(total, group.amount("attention_active_j", _attention_j))
    else:
        total = _attention_j(parts)
    return np.broadcast_to(np.asarray(total, dtype=np.float64), (n,))


def _attention_j(parts: Parts) -> Amount:
    total: Amount = 0.0
    for name, part in parts.items():
        if name in ATTENTION_MODULES:
            total = plus(total, active_j(part))
    return total


def toggled_j_per_cycle(
    resources: ResourceArrays,
    activity: FloatArray | float,
    attention_j: FloatArray | float = 0.0,
    attention_activity: FloatArray | float = 0.0,
) -> FloatArray:
    """Energy of the fabric a cycle at Vivado's toggle rate, (n_points,). `attention_j`: `attention_active_j`."""
    busier = np.maximum(attention_activity - np.asarray(activity), 0.0)
    return np.asarray(active_j(resources) * activity + attention_j * busier + resources.ff * FF_J)


def stage_power_w(
    resources: ResourceArrays,
    activity: FloatArray | float,
    clock_mhz: FloatArray,
    hbm_bytes_per_s: FloatArray,
    device: Device,
    attention_j: FloatArray | float = 0.0,
    attention_activity: FloatArray | float = 0.0,
    ddr_bytes_per_s: FloatArray | float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Total and dynamic board power (W), (n_points,) each; the total is NaN where idle power is not known."""
    watts_per_j_per_cycle = TOGGLE_FACTOR * device.power.fabric_scale * 1e6 * clock_mhz
    toggled = toggled_j_per_cycle(resources, activity, attention_j, attention_activity)
    memory = HBM_J_PER_BYTE * hbm_bytes_per_s + DDR_J_PER_BYTE * ddr_bytes_per_s
    dynamic = toggled * watts_per_j_per_cycle + memory
    idle = device.power.configured_w if device.power.configured_w is not None else np.nan
    return idle + dynamic, dynamic


def waiting_w(ff: FloatArray, clock_mhz: FloatArray, device: Device) -> FloatArray:
    """Power (W), (n_points,), of the registers and the clock tree of a kernel that waits beside one that works."""
    return np.asarray(ff * FF_J * (TOGGLE_FACTOR * device.power.fabric_scale * 1e6) * clock_mhz)


def fit_toggle_factor(
    resources: ResourceArrays,
    activity: FloatArray,
    clock_mhz: FloatArray,
    dynamic_w: FloatArray,
    hbm_bytes_per_s: FloatArray,
) -> FloatArray:
    """The factor that each measured plateau asks for by itself, (n_plateaus,), on a 16 nm card."""
    fabric_w = dynamic_w - HBM_J_PER_BYTE * hbm_bytes_per_s
    toggled = toggled_j_per_cycle(resources, activity)
    return np.asarray(fabric_w / (toggled * clock_mhz * 1e6))
