"""Coefficients of the resource and power laws, each with its source."""

from __future__ import annotations

from spec.timing import OperatorCost

# csynth estimate to post-route, geometric means of published pairs (facts of public U280/U55C reports).
LUT_ROUTE_FACTOR = 0.75
FF_ROUTE_FACTOR = 0.80

# What the inventory below leaves out: state machines inside the tasks, multiplexers in front of shared operators, registers
# that the tools duplicate. Set on FlexLLM's prefill row alone (39 % LUT at 66 % CLB, 24 % FF: the values that meet all three as
# printed are 1.135 to 1.15 and 1.19 to 1.25); its decode row checks them. Without them (1.0) the inventory is 10 to 14 % low in
# both rows: docs/validation.md.
LUT_UNLISTED, FF_UNLISTED = 1.135, 1.22

# A processing element as a process of its own (FlexLLM PE.h on TAPA): (LUT, FF) of what is mapped beside the DSPs: loop of
# an int bound, two-word result, handshakes; (2 MAC of a vector, 4 MAC of a block) x (operands packed in the accumulator,
# or split products). pyosys 0.70 mapping of benchmarks/rtl/elements.sv, LUT after pairing: `make bench-elements`.
ELEMENT_1D_NARROW = (73.0, 135.0)  # element_1d, 4 x 4 bits, sums of 21 bits
ELEMENT_1D_WIDE = (147.0, 144.0)  # element_1d, 8 x 8 bits, sums of 24 bits
ELEMENT_2D_NARROW = (93.0, 186.0)  # element_2d, 4 x 4 bits, sums of 19 bits
ELEMENT_2D_WIDE = (220.0, 216.0)  # element_2d, 8 x 8 bits, sums of 24 bits
# The bound of an element's loop arrives in a 32-bit FIFO of its own from an entry process: 47 LUT for five such FIFOs
# (Vitis HLS 2023.2 csynth of UCLA-VAST/Prometheus 2mm_1SLR, entry_proc12).
SCALAR_FIFO_BITS, ENTRY_LUT_PER_SCALAR = 32, 47 / 5

# A FIFO in shift registers: two bits a LUT to a depth of 16, a LUT a bit and 32 words from there (UG574); pointers and
# flags by mapping of TAPA's fifo_srl.v (270 LUT, 6 FF beside the shift registers of 257 bits). In block RAM: write and
# read registers, bypass: fifo_bram.v of 257 bits maps to 159 LUT and 545 FF (tapa 0.0.20240825.1, `make bench-elements`).
FIFO_CONTROL_LUT, FIFO_CONTROL_FF = 13.0, 6.0
BLOCK_FIFO_LUT_PER_BIT, BLOCK_FIFO_FF_PER_BIT = 159 / 257, 545 / 257

# An m_axi adapter. Line through the instances of 32, 64, 128, 256 and 512 bits of Vitis HLS 2023.2 csynth reports
# (UCLA-VAST/Prometheus, m_axi_U): LUT 720, 966, 1117, 1644, 2695; FF 696, 878, 1181, 1963, 3521; BRAM18 2, 4, 8, 16, 30.
AXI_LUT_BASE, AXI_LUT_PER_BIT = 600 * LUT_ROUTE_FACTOR, 4.09 * LUT_ROUTE_FACTOR
AXI_FF_BASE, AXI_FF_PER_BIT = 404 * FF_ROUTE_FACTOR, 6.09 * FF_ROUTE_FACTOR
AXI_BRAM18_BASE, AXI_BRAM18_PER_BIT = 0.0, 1 / 16
# TAPA: tasks that share a port reach it over a crossbar of their adapters: its axi_crossbar.v, two to one, maps to 724, 1124
# and 1925 LUT, 1184, 1984 and 3584 FF at 128, 256 and 512 bits (`make bench-elements`).
CROSSBAR_LUT_BASE, CROSSBAR_LUT_PER_BIT = 319.0, 3.13
CROSSBAR_FF_BASE, CROSSBAR_FF_PER_BIT = 384.0, 6.25

# Control of a task and the registers of its streams: load and store tasks of 512 bits in the same reports have 149 to 186
# LUT and 793 to 801 FF, of which 512 hold the word.
LUT_PER_PROCESS, FF_PER_PROCESS = 168 * LUT_ROUTE_FACTOR, 285 * FF_ROUTE_FACTOR
# The word registered where it is written and where it is read; and once at each end of the boundary between two slots of the
# floorplan, which a stream crosses once in the mean (RapidStream registers every crossing; FlexLLM: six slots).
FF_PER_STREAM_BIT = 2 * FF_ROUTE_FACTOR + 2
PREFILL_PROCESSES = 60  # FlexLLM prefill top: 60 tasks + 3 loaders a weight block
DECODE_PROCESSES = 36  # FlexLLM decode top: 36 tasks + weight loaders + 2 KV managers a head lane
# Streams of fp32 vectors in FlexLLM's tops (SpinQuant_*_mem_opt.h): prefill 20 of a token block and two an array; decode 19
# of T4 lanes, 8 of TB, 5 of HP.
PREFILL_VECTOR_STREAMS = 20
DECODE_T4_STREAMS, DECODE_TB_STREAMS, DECODE_HEAD_STREAMS = 19, 8, 5

# Top-k insertion of one decode lane; our estimate.
LUT_PER_SAMPLER_LANE, FF_PER_SAMPLER_LANE = 1500, 1500

# Stream width converters of the decode kernel, a full vector each in URAM (FlexLLM data_io.h dec_io_buffer): norm -> K, V,
# Q and -> gate, up; heads -> O; norm -> lm_head; engine -> K, V; engine -> Q; engine -> O, down. Two pairs of them have
# one shape where vector and head parallelism are equal, and a tool may build each pair once: that the published URAM
# share (15 %) means six was taken from FlexLLM's decode row: fitted. Counted once a shape they are four, which is 22 % low.
DECODE_WIDTH_CONVERSIONS = 6
COUNTED_WIDTH_CONVERSIONS = 4

# fp32 on DSP58: the DSPFP32 mode is one multiplier and one adder of single precision in a slice (AM004), 3 register
# stages each; LUT and FF are its control, our estimate.
DSP58_FP32_DSP = {
    "fadd": OperatorCost(latency_cycles=3, dsp=1, lut=40, ff=70),
    "fmul": OperatorCost(latency_cycles=3, dsp=1, lut=40, ff=70),
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
