"""The application: routes, gate, error handlers, dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from api import health
from api.dashboard import Dashboard
from api.designs import endpoints as designs
from api.devices import endpoints as devices
from api.errors import install_error_handlers
from api.events import EventHub
from api.explorations import endpoints as explorations
from api.gate import Gate
from api.jobs import endpoints as jobs
from api.models import endpoints as models
from api.openapi import install_openapi
from api.settings import ApiSettings
from db.session import Database
from spec.versions import FLEXDSE_VERSION

PREFIX = "/api/v1"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ApiSettings = app.state.settings
    app.state.database = Database(settings.database_url)
    app.state.events = EventHub(app.state.database, settings.event_poll_s)
    yield
    app.state.events.close()
    app.state.database.close()


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(settings: ApiSettings) -> FastAPI:
    """The service on a database that is migrated already. The pages of documentation that load from elsewhere are off."""
    app = FastAPI(
        title="FlexDSE",
        version=FLEXDSE_VERSION,
        summary="Design-space exploration of LLM accelerators on FPGAs",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        middleware=[
            Middleware(Gate, settings=settings),
            Middleware(Dashboard, directory=settings.dashboard_dir),
        ],
    )
    app.state.settings = settings
    install_error_handlers(app)
    api = APIRouter(prefix=PREFIX)
    for resource in (devices, models, designs, explorations, jobs):
        api.include_router(resource.router)
    app.include_router(api)
    app.include_router(health.router)
    install_openapi(app)
    return app


def stop_streams(app: FastAPI) -> None:
    """Ends the open event streams. A server calls it before it waits for its connections to close."""
    hub: EventHub | None = getattr(app.state, "events", None)
    if hub is not None:
        hub.close()
