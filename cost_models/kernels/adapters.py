"""AXI adapters of the memory ports, and the names of the parts that belong to no module."""

from __future__ import annotations

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray

AXI_ADAPTERS, DATAFLOW_CONTROL = "axi_adapters", "dataflow_control"


def adapter_amounts(
    ports: FloatArray | IntArray | float, bits: FloatArray | IntArray | float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """LUT, FF, DSP and BRAM18 of `ports` AXI adapters that are `bits` wide together, elementwise."""
    number, width = np.asarray(ports, dtype=np.float64), np.asarray(bits, dtype=np.float64)
    return (
        np.asarray((c.AXI_LUT_BASE * number + c.AXI_LUT_PER_BIT * width) * c.LUT_UNLISTED),
        np.asarray((c.AXI_FF_BASE * number + c.AXI_FF_PER_BIT * width) * c.FF_UNLISTED),
        np.zeros_like(number),
        np.asarray(c.AXI_BRAM18_BASE * number + c.AXI_BRAM18_PER_BIT * width),
    )
