"""Multiply-accumulate units: DSP, LUT and FF of one MAC of each processing element, by operand widths and stage.

    DSP a MAC   dsp1 1, dsp2 1/2, dsp4 1/4, lut 0
    LUT a MAC   base(stage, width) + what the variant adds over two MACs a DSP:
                dsp1  - accumulator       (it moves into the DSP), operands of more than 4 bits only
                dsp4  + accumulator       four product fields leave the DSP, four fabric adders take them (FlexLLM PE.h
                                          i4xi4_pack_2x2_1xDSP_2D, which it does not use)
                lut   + multiplier + accumulator
    accumulator = weight bits + operand bits + ceil(log2 d_in), one LUT and one FF a bit.

The base of elements of more than 4 bits was set at 8 x 8 and holds their accumulator, so it grows with the operands as
that does: a LUT and an FF a bit. No resource falls when an operand gets wider.

DSP58 packs as DSP48E2 does: its 27 x 24 multiplier holds the same fields; its three-product dot mode is not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cost_models import coefficients as c
from spec.module_choices import AttentionPe, LinearPe
from spec.workload import Stage

MAC_PER_DSP: dict[str, float] = {"dsp1": 1.0, "dsp2": 2.0, "dsp4": 4.0, "lut": math.inf}
NARROW_BITS = 4  # operands up to here are packed in the accumulator of the DSP itself
_BASE_BITS = 8  # of each operand, in the wide base (coefficients: INT8)


@dataclass(frozen=True, slots=True)
class MacCost:
    """Resources of one multiply-accumulate."""

    dsp: float
    lut: float
    ff: float


def lut_multiplier(weight_bits: int, operand_bits: int) -> float:
    """LUT of a multiplier without DSP: an array of weight_bits x operand_bits cells, one LUT each.

    4 x 4: 16; open synthesis (Yosys, UltraScale+) gives 18 cells and about 14 after pairing.
    """
    return float(weight_bits * operand_bits)


def mac_cost(stage: Stage, pe: LinearPe | AttentionPe, weight_bits: int, operand_bits: int, d_in: int) -> MacCost:
    """One MAC of an array: `weight_bits` x `operand_bits` products, `d_in` of them in an accumulator."""
    narrow = max(weight_bits, operand_bits) <= NARROW_BITS
    lut, ff = least_lut, least_ff = MAC_BASE[stage, True]
    if not narrow:
        lut, ff = (amount + weight_bits + operand_bits - 2 * _BASE_BITS for amount in MAC_BASE[stage, False])
    accumulator = float(weight_bits + operand_bits + math.ceil(math.log2(max(d_in, 2))))
    if pe == "dsp1" and not narrow:
        lut, ff = max(lut - accumulator, least_lut), max(ff - accumulator, least_ff)
    elif pe == "dsp4" or (pe == "lut" and narrow):
        lut, ff = lut + accumulator, ff + accumulator
    if pe == "lut":
        lut += lut_multiplier(weight_bits, operand_bits)
    return MacCost(1 / MAC_PER_DSP[pe], lut, ff)


# (LUT, FF) of one MAC of two a DSP, by stage and whether its operands are narrow; elements compute 2 x 2 products in
# prefill and pairs in decode.
MAC_BASE: dict[tuple[Stage, bool], tuple[float, float]] = {
    ("prefill", True): (c.LUT_PER_INT4_PE_2X2 / 4, c.FF_PER_INT4_PE_2X2 / 4),
    ("prefill", False): (c.LUT_PER_INT8_PE_2X2 / 4, c.FF_PER_INT8_PE_2X2 / 4),
    ("decode", True): (c.LUT_PER_INT4_PE_1X2 / 2, c.FF_PER_INT4_PE_1X2 / 2),
    ("decode", False): (c.LUT_PER_INT8_PE_1X2 / 2, c.FF_PER_INT8_PE_1X2 / 2),
}
