"""The application: routes under /api/v1, health at the root, console at /."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from api import (
    alarms,
    catalogue,
    downtime,
    edge,
    events,
    export,
    findings,
    health,
    identity,
    kpis,
    machines,
    maintenance,
    onboarding,
    production,
    quarantine,
    reports,
    work_orders,
)
from api.problems import install_problems
from api.settings import ApiSettings
from historian import Database

_ROOMS = (
    identity,
    machines,
    onboarding,
    findings,
    alarms,
    downtime,
    work_orders,
    kpis,
    maintenance,
    reports,
    production,
    quarantine,
    catalogue,
    events,
    export,
    edge,
)


def create_app(settings: ApiSettings) -> FastAPI:
    """The application for these settings; it connects to the historian when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Database.open(settings.database_url, max_size=12, patience_s=3600) as database:
            app.state.database = database
            app.state.announcer = events.Announcer(database)
            yield
            await app.state.announcer.stop()

    app = FastAPI(
        title="Industry Brain",
        version=version("industry-brain"),
        openapi_url="/api/v1/openapi.json",
        # The usual pages load their scripts from elsewhere; a plant has no internet.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.throttle = identity.Throttle()
    install_problems(app)
    routes = APIRouter(prefix="/api/v1")
    for room in _ROOMS:
        routes.include_router(room.router)
    app.include_router(routes)
    app.include_router(health.router)
    if settings.console:
        from api.console import mount

        mount(app, settings)
    return app
