"""GET /devices."""

from __future__ import annotations

from fastapi import APIRouter

from api.catalog_names import known
from api.devices.schemas import DeviceList, DeviceSummary
from api.problems import catalog_not_found, responses
from spec import catalog
from spec.device import Device

router = APIRouter(prefix="/devices", tags=["catalog"])


@router.get("")
def list_devices() -> DeviceList:
    """Every device of the catalog, with its key figures."""
    return DeviceList(items=tuple(DeviceSummary.of(catalog.load_device(name)) for name in catalog.names("devices")))


@router.get("/{name}", responses=responses(404))
def get_device(name: str) -> Device:
    """One device: a document that can be changed and sent as the `device` of an exploration."""
    with catalog_not_found():
        return catalog.load_device(known("devices", "device", name))
