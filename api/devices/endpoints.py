"""/devices."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path
from fastapi.responses import JSONResponse

from api import catalog_uploads
from api.catalog_names import find_device
from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PrincipalDep
from api.devices.schemas import DeviceList, DeviceSummary
from api.openapi_parts import CREATED
from api.problems import BODY_PROBLEMS, catalog_not_found, responses
from api.strict_route import StrictRoute
from api.uploads import uploaded, uploaded_names
from spec import catalog
from spec.device import Device

router = APIRouter(prefix="/devices", tags=["catalog"], route_class=StrictRoute)

DeviceName = Annotated[str, Path(max_length=200)]


@router.get("")
def list_devices() -> DeviceList:
    """Every device of the catalog, and your own, with their key figures."""
    known = [DeviceSummary.of(catalog.load_device(name), "catalog") for name in catalog.names("devices")]
    own = [
        DeviceSummary.of(Device.model_validate(uploaded("device", name)), "upload") for name in uploaded_names("device")
    ]
    return DeviceList(items=(*known, *own))


@router.get("/{name}", responses=responses(404))
def get_device(name: DeviceName) -> Device:
    """One device: a document that can be changed, and sent as the `device` of an exploration or as an upload."""
    with catalog_not_found():
        return find_device(name)


@router.post("", status_code=201, response_model=Device, responses={201: CREATED, **responses(*BODY_PROBLEMS, 409)})
def upload_device(
    body: Annotated[Device, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Keep a device of your own under its `name`."""
    answer = catalog_uploads.store(database, principal, "device", body.name, body, idempotency_key, lambda: body)
    return answer.response()


@router.delete("/{name}", status_code=204, responses=responses(404, 409))
def delete_device(name: DeviceName, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a device that you uploaded; results that were made with it stay."""
    catalog_uploads.remove(database, owner, "device", name)
