"""What the list of devices shows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from spec.device import Device
from spec.resources import ResourceVector
from spec.strict import StrictModel


class DeviceSummary(StrictModel):
    """Key figures of a card; the whole document is at `/devices/{name}`."""

    name: str
    source: Annotated[Literal["catalog", "upload"], Field(description="upload: your own")]
    title: str
    part_number: str
    dsp_kind: str
    slrs: int
    resources: ResourceVector
    hbm_capacity_bytes: int | None
    hbm_sustained_bytes_per_s: float | None
    max_clock_mhz: float

    @classmethod
    def of(cls, device: Device, source: Literal["catalog", "upload"]) -> Self:
        """The summary of `device`."""
        hbm = device.hbm
        return cls(
            name=device.name,
            source=source,
            title=device.title,
            part_number=device.part_number,
            dsp_kind=device.dsp_kind,
            slrs=len(device.slrs),
            resources=device.total,
            hbm_capacity_bytes=hbm.capacity_bytes if hbm else None,
            hbm_sustained_bytes_per_s=hbm.channels * hbm.channel_sustained_bytes_per_s if hbm else None,
            max_clock_mhz=device.clock.max_mhz,
        )


class DeviceList(StrictModel):
    """Every device of the catalog, by name."""

    items: tuple[DeviceSummary, ...]
