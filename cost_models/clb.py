"""Configurable logic blocks (CLB): how many a placer fills for a number of LUTs.

A CLB is full when no further LUT can be packed into it: LUTs that share no control set, carry chains and registers
leave sites empty. The measured ratio of used CLBs to used LUTs, both as fractions of the region, is near constant
between 14 % and 65 % of the LUTs.
"""

from __future__ import annotations

from cost_models.arrays import FloatArray

# CLB fraction / LUT fraction. Fit: the mean of FlexLLM's two routed U280 designs, 66 / 39 = 1.69 and 76 / 44 = 1.73 (arXiv
# 2601.15710, table of accelerators). Check, not used: its V80 designs 58 / 37 = 1.57 and 75 / 42 = 1.79 (placed and
# routed), and SLR0 and SLR1 of a routed XCU55C design, 96.2 / 64.4 = 1.49 and 21.77 / 14.41 = 1.51
# (UCLA-VAST/Prometheus 2mm_1SLR, report_utilization -slr).
CLB_PER_LUT_FRACTION = 1.71
CLB_BAND = (-0.13, 0.05)  # holds every one of the ratios above around 1.71

# A public series of builds of one TAPA design on the XCU55C routed with up to 82 % of an SLR's CLBs and failed to route
# at 85 %, 94 % and 96 % ("Cuper full-PCG" history of slr_util reports).
CLB_CAP = 0.85  # the first that failed: held against a prediction, not a figure that was seen to route
CLB_ROUTED = 0.82  # the fullest SLR that was seen to route; a floorplan is called `placed` up to here only


def clb_fraction(lut_fraction: FloatArray | float) -> FloatArray | float:
    """Fraction of the CLBs that a region's LUTs fill, (n_points,); above 1 they cannot be packed."""
    return CLB_PER_LUT_FRACTION * lut_fraction
