"""Whether the service lives, whether it is ready, and its figures for Prometheus. No token needed."""

import asyncpg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from historian import pending_migrations, pipeline_counts, read_overview

router = APIRouter(tags=["health"])

_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Database reachable and schema up to date."""
    try:
        async with request.app.state.database.connection() as connection:
            pending = await pending_migrations(connection)
    except _AWAY as problem:
        return JSONResponse({"status": "database away", "detail": type(problem).__name__}, 503)
    if pending:
        return JSONResponse({"status": "schema behind", "detail": f"run `brain migrate`: {', '.join(pending)}"}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    registry = CollectorRegistry()
    up = Gauge("brain_database_up", "1 where the database answers", registry=registry)
    try:
        async with request.app.state.database.connection() as connection:
            stored, quarantined, committed_at = await pipeline_counts(connection)
            overview = await read_overview(connection)
    except _AWAY:
        up.set(0)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
    up.set(1)
    Gauge("brain_readings_stored", "readings stored since ever", registry=registry).set(stored)
    Gauge("brain_messages_quarantined", "messages in quarantine since ever", registry=registry).set(quarantined)
    if committed_at is not None:
        last = Gauge("brain_last_commit_timestamp_seconds", "when readings were last committed", registry=registry)
        last.set(committed_at.timestamp())
    states = Gauge("brain_machines", "machines by state", ["state"], registry=registry)
    for state, machines in overview.states.items():
        states.labels(state).set(machines)
    Gauge("brain_findings_open", "open findings", registry=registry).set(overview.open_findings)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
