"""Resources of the units of our C++ library: DSP slices and memories by rule, LUT and FF as estimates.

A unit is what `spec.library_units` says; the same parts are mapped by open synthesis. LUT and FF of leaf units: mapping of
our RTL (Yosys 0.70, UltraScale+, LUT after pairing; `make bench-leaf-synthesis`), which these lines meet. Operators: the
timing table after routing. Where parts are listed one by one nothing is added for what a list leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cost_models import coefficients as c
from cost_models.kernels.adapters import DATAFLOW_CONTROL
from cost_models.kernels.parts import Part
from cost_models.stage_setup import StageSetup
from spec.library_memories import Count, Memory
from spec.library_units import DSP1, DSP2_PACKED, DSP2_SPLIT, DSP4, FP32, LUT, MACS_PER_DSP, LeafUse, UnitParts

Logic = tuple[Any, Any, Any]  # LUT, FF, DSP of an instance

# A choice of two: between half a LUT and one a bit. A register is placed once or twice, merged or not (ranges of open
# synthesis; their middle).
_MUX_LUT, _REGISTER_FF, _REGISTER_LUT = 0.75, 1.5, 0.25
_RAM_LUT = 1.1  # of distributed RAM, more than its words: most of it has one port to read, some two
# Counter, comparisons and handshake of a short FIFO; both sides of one in a memory (fifo_memory of 36 bits).
_SHORT_FIFO_LUT, _SHORT_FIFO_FF = 13.0, 10.0
_MEMORY_FIFO_LUT, _MEMORY_FIFO_FF = 45.0, 43.0
_FIFO_WORD_FF = 0.5  # of a word at the output, which Vitis HLS may register


def _lut_multiplier(p: Mapping[str, Any]) -> float:
    """Product of two operands: 33 to 44 LUT with its accumulator at 4 x 4, 99 to 108 at 8 x 8 (mac_lut)."""
    return 1.5 * float(p["X_BITS"] * p["W_BITS"])


def _mac_cells(kind: int, p: Mapping[str, Any], macs: Any) -> Logic:
    """Elements of an array without the chains that their sums leave by."""
    acc = p["ACC"]
    if kind == LUT:
        return macs * (_lut_multiplier(p) + acc + 2), macs * (acc + 2 * (p["X_BITS"] + p["W_BITS"])), 0
    slices = macs // MACS_PER_DSP[kind]
    per_slice = {
        DSP1: (0.0, 0.0),
        DSP2_PACKED: (1.0, 0.0),
        DSP2_SPLIT: (8 / 3 * acc, 2 * acc),
        DSP4: (4.5 * acc, 4 * acc),
    }
    lut, ff = per_slice[kind]
    return slices * lut, slices * ff, slices


def _mac_tile(p: Mapping[str, Any], _: float) -> Logic:
    rows, columns, acc = p["ROWS"], p["COLUMNS"], p["ACC"]
    lut, ff, dsp = _mac_cells(p["KIND"], p, rows * columns)
    return lut + rows * ((columns - 1) * acc + 1) / 2, ff + rows * columns * acc, dsp


def _dot_product(p: Mapping[str, Any], _: float) -> Logic:
    """Products and the adder tree: terms / 2^l adders of product bits + l at its level l."""
    terms, product = p["TERMS"], p["X_BITS"] + p["W_BITS"]
    tree = (terms - 1) * product + terms - 1 - np.log2(terms)
    if p["KIND"] == LUT:
        return tree + terms * _lut_multiplier(p), tree + terms - 1 + 2 * terms * product, 0
    rows = p["ROWS"]
    split = terms if p["KIND"] == DSP2_SPLIT else 0  # the borrow of the upper product
    return rows * tree + split, rows * (tree + terms - 1), terms if p["KIND"] == DSP2_SPLIT else rows * terms


def _round_to_integer(p: Mapping[str, Any], width: float) -> Logic:
    bits = p["BITS"]
    lut = 62 + 3.5 * bits if p["SIGNED"] else 57 + 2.25 * bits
    return lut * width, 2.5 + 2 * bits, 0


# `width`: bits of a value against fp32.
_LEAVES: dict[str, Callable[[Mapping[str, Any], float], Logic]] = {
    "mac_tile": _mac_tile,
    "dot_product": _dot_product,
    "mac_single": lambda p, _: _mac_cells(DSP1, p, 1),
    "mac_pair_split": lambda p, _: _mac_cells(DSP2_SPLIT, p, 2),
    "mac_lut": lambda p, _: _mac_cells(LUT, p, 1),
    "round_to_integer": _round_to_integer,
    "value_range": lambda _, width: (66 * width, 64 * width, 0),
    "exact_sum": lambda _, width: (320 * width, 219 * width, 0),
    "candidate_list": lambda p, width: (106 * p["MAX_K"] * width, 64 * p["MAX_K"] * width, 0),
}


class Sheet:
    """Takes units and FIFOs and adds up their parts by module; control and short FIFOs belong to no module."""

    def __init__(self, setup: StageSetup) -> None:
        self._setup = setup
        self._width = setup.value_bits / FP32
        fabric = setup.fabric
        self._scalars = replace(fabric, nonlinear_format="fp32") if fabric.nonlinear_format == "bf16" else fabric
        self.parts: dict[str, Part] = {}

    def part(self, module: str) -> Part:
        """The part of a module, an empty one at first."""
        return self.parts.setdefault(module, Part())

    def unit(self, module: str, unit: UnitParts, times: Count = 1) -> None:
        """`times` instances of a unit."""
        part = self.part(module)
        lut: Any = unit.mux_bits * _MUX_LUT + unit.register_bits * _REGISTER_LUT
        ff: Any = unit.register_bits * _REGISTER_FF
        dsp: Any = unit.dsp
        for leaf in unit.leaves:
            leaf_lut, leaf_ff, leaf_dsp = self._leaf(leaf)
            lut, ff, dsp = lut + leaf_lut, ff + leaf_ff, dsp + leaf_dsp
        operators = [(self._setup.fabric, *use) for use in unit.operators.items()]
        operators += [(self._scalars, *use) for use in unit.fp32_operators.items()]
        for fabric, name, number in operators:
            cost = fabric.operator(name, self._setup.timing)
            lut = lut + number * (cost.lut * c.LUT_ROUTE_FACTOR)
            ff = ff + number * (cost.ff * c.FF_ROUTE_FACTOR)
            dsp = dsp + number * cost.dsp
        bram: Any = 0.0
        uram: Any = 0.0
        for memory in unit.memories:
            lut = lut + memory.luts * _RAM_LUT
            bram, uram = bram + memory.bram_18k, uram + memory.uram
        part.add(Part(*(_float(amount * times) for amount in (lut, ff, dsp, bram, uram))))

    def _leaf(self, leaf: LeafUse) -> Logic:
        if isinstance(leaf.number, int) and not leaf.number:
            return 0, 0, 0
        lut, ff, dsp = _LEAVES[leaf.module](leaf.parameters, self._width)
        return leaf.number * lut, leaf.number * ff, leaf.number * dsp

    def fifos(
        self, number: Count, depth: Count, bits: Count, module: str | None = None, *, ultra: bool = False
    ) -> None:
        """`number` FIFOs of `depth` words of `bits`; `module`: which their blocks of memory belong to."""
        fifo = Memory("", depth, bits, number, "uram" if ultra else "auto", is_fifo=True)
        short = fifo.in_shift_registers
        lut = fifo.luts * _RAM_LUT + number * np.where(short, _SHORT_FIFO_LUT, _MEMORY_FIFO_LUT)
        ff = number * np.where(short, _SHORT_FIFO_FF, _MEMORY_FIFO_FF) + number * bits * _FIFO_WORD_FF
        self.part(DATAFLOW_CONTROL).add(Part(_float(lut), _float(ff)))
        self.part(module or DATAFLOW_CONTROL).add(Part(bram_18k=_float(fifo.bram_18k), uram=_float(fifo.uram)))

    def processes(self, number: Count) -> None:
        """The control of so many processes."""
        self.part(DATAFLOW_CONTROL).add(Part(_float(number * c.LUT_PER_PROCESS), _float(number * c.FF_PER_PROCESS)))

    def logic(self, module: str, mux_bits: Count, register_bits: Count) -> None:
        """Multiplexers and registers beside those of the units."""
        self.unit(module, UnitParts(mux_bits=mux_bits, register_bits=register_bits))


def _float(amount: Any) -> Any:
    return amount.astype(np.float64) if isinstance(amount, np.ndarray) and amount.ndim else float(amount)
