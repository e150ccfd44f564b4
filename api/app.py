"""The application: routes, gate, error handlers, dashboard."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from api import all_events, docs, health
from api.access import endpoints as access
from api.access.audit import AuditTrail
from api.artifacts import endpoints as artifacts
from api.calibrations import endpoints as calibrations
from api.conditional import Conditional
from api.dashboard import Dashboard
from api.designs import endpoints as designs
from api.designs import explain_endpoints as explanations
from api.designs.processes import stop as stop_processes
from api.devices import endpoints as devices
from api.errors import install_error_handlers
from api.events import EventHub
from api.explorations import cloud_endpoints as evaluations
from api.explorations import endpoints as explorations
from api.explorations.tables import FrontTables
from api.field_selection import FieldSelection
from api.gate import Gate
from api.jobs import endpoints as jobs
from api.metrics import RequestMetrics
from api.models import endpoints as models
from api.observe import Observe
from api.openapi import install_openapi
from api.projects import endpoints as projects
from api.query_names import refuse_unknown_names
from api.reports import endpoints as reports
from api.settings import ApiSettings
from api.sweeps import endpoints as sweeps
from api.tracing import telemetry_of
from db.artifacts import ArtifactStore
from db.session import Database
from spec.versions import FLEXDSE_VERSION
from workers.enqueue import Bell

PREFIX = "/api/v1"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    bell = Bell(settings.broker_url)
    app.state.broker_state = bell.state
    app.state.database = Database(settings.database_url, on_queued=bell.ring)
    app.state.store = ArtifactStore.open(settings.artifacts_url) if settings.artifacts_url is not None else None
    app.state.fronts = FrontTables()
    app.state.events = EventHub(app.state.database, settings.event_poll_s)
    app.state.audit = AuditTrail(app.state.database)
    app.state.metrics.watch(app.state.database, app.state.broker_state)
    # What is loaded now stays: the collector need not walk through all of it, some 50 ms each time, while a request waits.
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    app.state.events.close()
    await app.state.audit.close()
    stop_processes()
    app.state.database.close()
    bell.close()


_DESCRIPTION = """\
A GET whose answer is a JSON document takes `fields=a,b`: the answer then has these fields only, of a list each of its items.
It stands at no operation, for such an answer lacks what the operation promises.
"""


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(settings: ApiSettings) -> FastAPI:
    """The service on a database that is migrated already. The pages of documentation that load from elsewhere are off."""
    metrics = RequestMetrics()
    app = FastAPI(
        telemetry=telemetry_of(os.environ),
        title="FlexDSE",
        version=FLEXDSE_VERSION,
        summary="Design-space exploration of LLM accelerators on FPGAs",
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # served by api.docs, outside of the event loop
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_names)],
        middleware=[
            Middleware(Observe, metrics=metrics),
            Middleware(Gate, settings=settings),
            Middleware(Conditional),
            Middleware(FieldSelection),
            Middleware(Dashboard, directory=settings.dashboard_dir),
        ],
    )
    app.state.settings = settings
    app.state.metrics = metrics
    install_error_handlers(app)
    api = APIRouter(prefix=PREFIX)
    for resource in (
        access,
        devices,
        models,
        designs,
        explanations,
        explorations,
        evaluations,
        jobs,
        projects,
        sweeps,
        calibrations,
        reports,
        artifacts,
        all_events,
    ):
        api.include_router(resource.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(docs.router)
    install_openapi(app)
    return app


def stop_streams(app: FastAPI) -> None:
    """Ends the open event streams. A server calls it before it waits for its connections to close."""
    hub: EventHub | None = getattr(app.state, "events", None)
    if hub is not None:
        hub.close()
