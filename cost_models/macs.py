"""Multiply-accumulate units: DSP, LUT and FF of one MAC of each processing element, by operand widths and stage.

    DSP a MAC   dsp1 1, dsp2 1/2, dsp4 1/4, lut 0

Of `process_granularity: element`, each element a process of its own (the arrays of our library: `kernels/library_logic.py`):

    LUT a MAC   (element + its FIFOs) / MACs of an element + what the variant adds over two MACs a DSP:
                dsp1  - accumulator       (it moves into the DSP), operands of more than 4 bits only
                dsp4  + accumulator       four product fields leave the DSP, four fabric adders take them (FlexLLM PE.h
                                          i4xi4_pack_2x2_1xDSP_2D, which it does not use)
                lut   + multiplier + accumulator

with FIFOs for activations, weights, results and the bound of the loop (`coefficients.py`). A bit more in the sum than the
mapped element has, or in an operand, takes a LUT and one and a half FF a product.

accumulator = weight bits + operand bits + ceil(log2 d_in). No resource falls when an operand gets wider.

DSP58 packs as DSP48E2 does: its 27 x 24 multiplier holds the same fields; its three-product dot mode is not used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray
from cost_models.onchip import shift_register_lut
from spec.module_choices import AttentionPe, LinearPe
from spec.workload import Stage

MAC_PER_DSP: dict[str, float] = {"dsp1": 1.0, "dsp2": 2.0, "dsp4": 4.0, "lut": math.inf}
NARROW_BITS = 4  # operands up to here are packed in the accumulator of the DSP itself
_WIDE_BITS = 8  # of the operands of the mapped wide elements
_A_DEPTH_1D = 4  # FlexLLM Linear_Layer.h systolic_array_i4xi4_pack_1x2_1D: A_fifo


@dataclass(frozen=True, slots=True)
class MacCost:
    """Resources of one multiply-accumulate; LUT also (n_points,) where FIFOs are as deep as an array is wide."""

    dsp: float
    lut: FloatArray | float
    ff: float


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """Elements of one array: `rows` tokens (1: a vector) x `columns` channels, (n_points,) or one number each."""

    rows: IntArray | FloatArray | int
    columns: IntArray | FloatArray | int


SMALL_ARRAY = ArrayShape(8, 32)


def lut_multiplier(weight_bits: int, operand_bits: int) -> float:
    """LUT of a multiplier without DSP: an array of weight_bits x operand_bits cells, one LUT each.

    4 x 4: 16; open synthesis (Yosys, UltraScale+) gives 18 cells and about 14 after pairing.
    """
    return float(weight_bits * operand_bits)


def mac_cost(
    stage: Stage,
    pe: LinearPe | AttentionPe,
    weight_bits: int,
    operand_bits: int,
    d_in: int,
    shape: ArrayShape = SMALL_ARRAY,
) -> MacCost:
    """One MAC of an array: `weight_bits` x `operand_bits` products, `d_in` of them in an accumulator."""
    narrow = max(weight_bits, operand_bits) <= NARROW_BITS
    accumulator = weight_bits + operand_bits + math.ceil(math.log2(max(d_in, 2)))
    core_lut, ff = _element_core(stage, pe, narrow, weight_bits, operand_bits, accumulator)
    return MacCost(1 / MAC_PER_DSP[pe], core_lut + _fifo_lut(stage, weight_bits, operand_bits, accumulator, shape), ff)


@cache
def _element_core(
    stage: Stage, pe: str, narrow: bool, weight_bits: int, operand_bits: int, accumulator: int
) -> tuple[float, float]:
    """(LUT, FF) a MAC of an element, FF of its FIFOs included."""
    block = stage == "prefill"
    products, fifos = (4, 5) if block else (2, 4)  # activations, weights, results and bound; in a block weights go on
    control = fifos * c.FIFO_CONTROL_FF / products
    mapped, sum_bits = (c.ELEMENT_2D_NARROW, 19) if block else (c.ELEMENT_1D_NARROW, 21)
    # What the element of narrow operands has for such a sum: a wider operand never makes a smaller element.
    least_lut = max(mapped[0] / products + accumulator - sum_bits, mapped[0] / (2 * products))
    least_ff = max(mapped[1] / products + 1.5 * (accumulator - sum_bits), mapped[1] / (2 * products)) + control
    lut, ff = least_lut, least_ff
    if not narrow:
        mapped, sum_bits = (c.ELEMENT_2D_WIDE, 24) if block else (c.ELEMENT_1D_WIDE, 24)
        wider = weight_bits + operand_bits - 2 * _WIDE_BITS + accumulator - sum_bits
        lut = max(lut, mapped[0] / products + wider)
        ff = max(ff, mapped[1] / products + 1.5 * wider + control)
    if pe == "dsp1" and not narrow:
        lut, ff = max(lut - accumulator, least_lut), max(ff - accumulator, least_ff)
    elif pe in ("dsp4", "lut"):  # the wide element has its adders already
        lut, ff = max(lut, least_lut + accumulator), max(ff, least_ff + accumulator)
    if pe == "lut":
        lut += lut_multiplier(weight_bits, operand_bits)
    return lut, ff


def _fifo_lut(
    stage: Stage, weight_bits: int, operand_bits: int, accumulator: int, shape: ArrayShape
) -> FloatArray | float:
    """LUT of the FIFOs of an element, a MAC (FlexLLM Linear_Layer.h: depths of A_fifo, B_fifo, C_fifo)."""
    bound = shift_register_lut(c.SCALAR_FIFO_BITS, 2) + c.ENTRY_LUT_PER_SCALAR
    half = np.asarray(shape.columns) / 2
    if stage == "decode":
        bits = shift_register_lut(operand_bits, _A_DEPTH_1D) + shift_register_lut(2 * weight_bits, half + 1)
        return (bits + shift_register_lut(accumulator, half) + bound + 4 * c.FIFO_CONTROL_LUT) / 2
    rows = np.asarray(shape.rows) / 2 + 1
    bits = shift_register_lut(2 * operand_bits, rows) + shift_register_lut(2 * weight_bits, half + 1)
    return (bits + shift_register_lut(2 * accumulator, rows) + bound + 4 * c.FIFO_CONTROL_LUT) / 4
