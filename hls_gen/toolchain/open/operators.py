"""Operators that have no RTL of ours: from the timing table, and from the rules of the DSP58.

DSP slices of floating-point operators are those that Vitis HLS binds (the table): that is what the kernel would get. LUT
and FF are ranges: of the table as estimated and after routing (x 0.75 and x 0.80, geometric means of published pairs of csynth
and routed reports), widened by our own RTL where there is some.
"""

from __future__ import annotations

from dataclasses import dataclass

from hls_gen.toolchain.open.leaves import Leaf, leaf
from spec.bf16_operators import BF16_OPERATORS
from spec.device import DspKind
from spec.timing import TimingTable

LUT_AFTER_ROUTING = 0.75
FF_AFTER_ROUTING = 0.80

# A DSP58 is an fp32 multiplier or adder by itself (DSPFP32, AM004); LUT and FF: registers around it, our estimate.
_DSP58_FP32 = frozenset({"fadd", "fmul"})
_DSP58_LUT, _DSP58_FF = (0, 40), (0, 70)

_BF16 = "bf16_"  # what operators in bf16 are called

OPERATOR_LEAVES: dict[str, Leaf] = {
    "fadd": leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=7),
    "fmul": leaf("fp_multiply", EXPONENT=8, FRACTION=23),
    "int_to_float": leaf("int_to_fp", IN=32),
    "bf16_fadd": leaf("fp_add", EXPONENT=8, FRACTION=7, LATENCY=4),
    "bf16_fmul": leaf("fp_multiply", EXPONENT=8, FRACTION=7),
}


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def times(self, count: float) -> Range:
        """So many."""
        return Range(count * self.low, count * self.high)

    def around(self, low: float, high: float) -> Range:
        """Widened to hold `low` to `high`."""
        return Range(min(self.low, low), max(self.high, high))


NOTHING = Range()


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """One instance of an operator."""

    lut: Range
    ff: Range
    dsp: int


def operator_use(name: str, table: TimingTable, dsp_kind: DspKind) -> OperatorUse:
    """An operator by its table, or by the rules of the DSP58."""
    if dsp_kind == "dsp58" and name in _DSP58_FP32:
        return OperatorUse(Range(*_DSP58_LUT), Range(*_DSP58_FF), 1)
    cost = BF16_OPERATORS[name.removeprefix(_BF16)] if name.startswith(_BF16) else table.operators[name]
    return OperatorUse(
        Range(LUT_AFTER_ROUTING * cost.lut, cost.lut), Range(FF_AFTER_ROUTING * cost.ff, cost.ff), cost.dsp
    )
