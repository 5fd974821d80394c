"""Edge gateways: letting a new one in by its one-time token, and which there are."""

from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, StringConstraints

from api.context import database_of
from api.identity import Throttle, Viewer
from api.problems import Problem
from api.settings import Enrolment
from historian import Database, EnrolmentRefused, broker_accounts, enrol_gateway, list_fleet, list_gateways
from historian.accounts import User

log = structlog.get_logger()

router = APIRouter(tags=["edge"])


class EnrolmentRequest(BaseModel):
    """The token that `brain edge token` printed, and what the gateway calls itself."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    name: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""


class GatewayCredential(BaseModel):
    """Who the gateway is from now on; the password is told this once.

    ca: certificates to trust at the broker in PEM; empty for those of the gateway's system
    """

    gateway: str
    site: str
    broker_url: str
    client_id: str
    user: str
    password: str
    ca: str


@router.post("/edge/enrolment")
async def enrol(request: Request, body: EnrolmentRequest) -> GatewayCredential:
    """A credential for a new gateway, in exchange for a one-time token."""
    enrolment: Enrolment | None = request.app.state.settings.enrolment
    if enrolment is None:
        raise Problem(404, "No gateways are let in here: [gateways] is not set up.")
    throttle: Throttle = request.app.state.throttle
    key = f"edge enrolment\n{request.client.host if request.client else ''}"
    if (wait := throttle.wait_s(key)) > 0:
        raise Problem(429, f"Too many wrong tokens: try again in {wait:.0f} s.", {"Retry-After": str(int(wait) + 1)})
    try:
        async with database_of(request).connection() as connection, connection.transaction():
            enrolled = await enrol_gateway(connection, body.token, body.name)
            # Inside: where the broker cannot be told, the token is not used up.
            await enrolment.tell_broker(await broker_accounts(connection))
    except EnrolmentRefused as refused:
        throttle.failed(key)
        raise Problem(403, f"Not enrolled: {refused}. `brain edge token` gives another.") from refused
    except OSError as problem:
        log.error("broker_not_told", reason=str(problem))
        raise Problem(503, "The broker could not be told of the new gateway: try again later.") from problem
    throttle.succeeded(key)
    log.warning("gateway_enrolled", gateway=enrolled.key, site=enrolled.site, name=body.name)
    return GatewayCredential(
        gateway=enrolled.key,
        site=enrolled.site,
        broker_url=enrolment.broker_url,
        client_id=enrolled.key,
        user=enrolled.key,
        password=enrolled.password,
        ca=enrolment.ca,
    )


class GatewayState(BaseModel):
    """A gateway; newest: the newest reading that came from any machine of its site."""

    key: str
    site: str
    name: str
    enrolled_at: datetime
    revoked_at: datetime | None
    newest: datetime | None


@router.get("/edge/gateways")
async def gateways(request: Request, user: Viewer) -> list[GatewayState]:
    """Gateways of the tenant, oldest first, revoked ones too."""
    return await gateways_of(database_of(request), user)


async def gateways_of(database: Database, user: User) -> list[GatewayState]:
    """The gateways that a user may see."""
    async with database.connection() as connection:
        found = await list_gateways(connection, user.tenant_id)
    async with database.tenant(user.tenant_id) as connection:
        rows = await list_fleet(connection) if found else []
    newest: dict[str, datetime] = {}
    for row in rows:
        if row.judged_at is not None:
            newest[row.site] = max(row.judged_at, newest.get(row.site, row.judged_at))
    return [
        GatewayState(
            key=gateway.key,
            site=gateway.site,
            name=gateway.name,
            enrolled_at=gateway.enrolled_at,
            revoked_at=gateway.revoked_at,
            newest=newest.get(gateway.site),
        )
        for gateway in found
    ]
