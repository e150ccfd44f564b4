"""Operators in bf16, at II = 1: an 8-bit significand, so a product is one DSP and the others are in LUTs."""

from __future__ import annotations

from spec.timing import OperatorCost

# fadd, fmul: mapping of our RTL (fp_add, fp_multiply of 7 fraction bits, `make bench-leaf-synthesis`) before routing. The others:
# our estimates by operand width against the fp32 operators (8 of 24 bits); exponential: a table and one product.
BF16_OPERATORS = {
    "fadd": OperatorCost(latency_cycles=4, dsp=0, lut=200, ff=120),
    "fmul": OperatorCost(latency_cycles=3, dsp=1, lut=84, ff=50),
    "fdiv": OperatorCost(latency_cycles=8, dsp=0, lut=200, ff=180),
    "fsqrt": OperatorCost(latency_cycles=8, dsp=0, lut=140, ff=120),
    "fexp": OperatorCost(latency_cycles=6, dsp=1, lut=200, ff=120),
    "fcmp": OperatorCost(latency_cycles=1, dsp=0, lut=40, ff=20),
    "int_to_float": OperatorCost(latency_cycles=3, dsp=0, lut=180, ff=100),
}
