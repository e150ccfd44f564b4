"""ResourceVector: the five kinds of resources of an FPGA, always in this order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spec.strict import StrictModel

RESOURCE_NAMES = ("lut", "ff", "dsp", "bram_18k", "uram")

Count = Annotated[int, Field(ge=0, le=10**9)]
Demand = Annotated[int, Field(ge=0, le=10**18)]  # arrays of the widest parameters ask for more than 1e12 LUTs


class ResourceVector(StrictModel):
    """Counts of LUTs, flip-flops, DSP slices, 18 kbit block RAMs and UltraRAMs."""

    lut: Count
    ff: Count
    dsp: Count
    bram_18k: Count
    uram: Count

    def __add__(self, other: ResourceVector) -> ResourceVector:
        return ResourceVector(**{name: getattr(self, name) + getattr(other, name) for name in RESOURCE_NAMES})

    def as_dict(self) -> dict[str, int]:
        """Name to count, in the fixed order."""
        return {name: getattr(self, name) for name in RESOURCE_NAMES}


class ResourceDemand(ResourceVector):
    """What a kernel asks for, which may be far beyond any card."""

    lut: Demand
    ff: Demand
    dsp: Demand
    bram_18k: Demand
    uram: Demand
