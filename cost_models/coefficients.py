"""Coefficients of the resource and power laws, each with its source."""

from __future__ import annotations

from spec.timing import OperatorCost

# csynth estimate to post-route, geometric means of published pairs (facts of public U280/U55C reports).
LUT_ROUTE_FACTOR = 0.75
FF_ROUTE_FACTOR = 0.80

# Our estimates of what surrounds the multipliers of a processing element: forwarding shift registers, field
# extraction, drain. No public report splits them out; checked only as part of the whole-chip totals.
LUT_PER_INT4_PE_2X2 = 120  # 4 MAC in 2 DSP, prefill arrays
FF_PER_INT4_PE_2X2 = 250
LUT_PER_INT8_PE_2X2 = 250  # four fabric adders of 22-27 bits
FF_PER_INT8_PE_2X2 = 400
# A decode PE keeps a weight FIFO of its own. The next four are set so that FlexLLM's decode row (44 % LUT, 28 % FF) is
# met within 3 %: fitted, no evidence for the model. The prefill row above is not.
LUT_PER_INT4_PE_1X2 = 200  # 2 MAC in 1 DSP, decode engine
FF_PER_INT4_PE_1X2 = 350
LUT_PER_INT8_PE_1X2 = 300
FF_PER_INT8_PE_1X2 = 500

# An m_axi adapter: control plus data path and burst buffers by width. BRAM: 10-15 BRAM36 for a 256-512 bit port
# (what FlexLLM's totals leave after its own buffers); LUT, FF: our estimate, checked only in the totals.
AXI_LUT_BASE, AXI_LUT_PER_BIT = 1000, 10
AXI_FF_BASE, AXI_FF_PER_BIT = 1500, 18
AXI_BRAM18_BASE, AXI_BRAM18_PER_BIT = 10, 10 / 256

# Control of a dataflow process (TAPA task); our estimate.
LUT_PER_PROCESS, FF_PER_PROCESS = 300, 500
PREFILL_PROCESSES = 60  # FlexLLM prefill top: 60 tasks + 3 loaders a weight block
DECODE_PROCESSES = 36  # FlexLLM decode top: 36 tasks + weight loaders + 2 KV managers a head lane

# Top-k insertion of one decode lane; our estimate.
LUT_PER_SAMPLER_LANE, FF_PER_SAMPLER_LANE = 1500, 1500

# BRAM18 of inter-task FIFOs and small buffers: what FlexLLM's inventory (663 prefill, 591 decode) leaves after the
# buffers and score FIFOs that onchip laws count one by one.
PREFILL_FIFO_BRAM18_PER_TOKEN_LANE = 3
DECODE_FIFO_BRAM18 = 102

# Stream width converters of the decode kernel, a full vector each in URAM (FlexLLM data_io.h dec_io_buffer): norm -> K, V,
# Q and -> gate, up; heads -> O; norm -> lm_head; engine -> K, V; engine -> Q; engine -> O, down. Two pairs of them have
# one shape where vector and head parallelism are equal, and a tool may build each pair once: that the published URAM
# share (15 %) means six was taken from FlexLLM's decode row: fitted.
DECODE_WIDTH_CONVERSIONS = 6

# fp32 on DSP58: the DSPFP32 mode is one multiplier and one adder of single precision in a slice (AM004), 3 register
# stages each; LUT and FF are its control, our estimate.
DSP58_FP32_DSP = {
    "fadd": OperatorCost(latency_cycles=3, dsp=1, lut=40, ff=70),
    "fmul": OperatorCost(latency_cycles=3, dsp=1, lut=40, ff=70),
}
# bf16: an 8-bit significand. Product in one DSP; addition, comparison and division in LUT, by operand width against
# the fp32 operators (8 of 24 bits); exponential by a table with one multiplication. Our estimates: no report at hand.
BF16_OPERATORS = {
    "fadd": OperatorCost(latency_cycles=4, dsp=0, lut=180, ff=120),
    "fmul": OperatorCost(latency_cycles=3, dsp=1, lut=60, ff=50),
    "fdiv": OperatorCost(latency_cycles=8, dsp=0, lut=200, ff=180),
    "fsqrt": OperatorCost(latency_cycles=8, dsp=0, lut=140, ff=120),
    "fexp": OperatorCost(latency_cycles=6, dsp=1, lut=200, ff=120),
    "fcmp": OperatorCost(latency_cycles=1, dsp=0, lut=40, ff=20),
    "int_to_float": OperatorCost(latency_cycles=3, dsp=0, lut=180, ff=100),
}
# Fixed point of 18 bits, the narrow port of a DSP: a LUT a bit for addition and comparison, a LUT a bit and step for
# the restoring divider and root, one DSP for a product, table and one product for the exponential. Our estimates.
FIXED_OPERATORS = {
    "fadd": OperatorCost(latency_cycles=1, dsp=0, lut=18, ff=18),
    "fmul": OperatorCost(latency_cycles=3, dsp=1, lut=0, ff=36),
    "fdiv": OperatorCost(latency_cycles=20, dsp=0, lut=324, ff=648),
    "fsqrt": OperatorCost(latency_cycles=10, dsp=0, lut=162, ff=324),
    "fexp": OperatorCost(latency_cycles=4, dsp=1, lut=80, ff=72),
    "fcmp": OperatorCost(latency_cycles=1, dsp=0, lut=18, ff=18),
    "int_to_float": OperatorCost(latency_cycles=1, dsp=0, lut=40, ff=18),
}
