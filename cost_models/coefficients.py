"""Coefficients of the resource and power laws, each with its source."""

from __future__ import annotations

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
# buffers that onchip laws count one by one.
PREFILL_FIFO_BRAM18_PER_TOKEN_LANE = 5
DECODE_FIFO_BRAM18 = 130

# Fabric power of a whole bitstream in W per LUT and MHz. One coefficient explains both phases of FlexLLM's U280 log:
# prefill (53.97 - 41.66 - HBM 1.4) W / (508,000 LUT x 304 MHz) = 7.06e-8 and decode (57.66 - 41.66 - HBM 3.7) W /
# (574,000 LUT x 292 MHz) = 7.34e-8. The attribution of the two power plateaus to the stages is ours.
FABRIC_W_PER_LUT_MHZ = 7.2e-8
HBM_J_PER_BYTE = 3.92e-12 * 8  # HBM2 3.92 pJ/bit (O'Connor et al., MICRO 2017)
