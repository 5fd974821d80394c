"""What every request shares: the open historian, and a connection bound to the tenant at work."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request

from api.identity import Viewer
from historian import Database


def database_of(request: Request) -> Database:
    """The open historian."""
    database: Database = request.app.state.database
    return database


async def _tenant_connection(request: Request, user: Viewer) -> AsyncIterator[Any]:
    async with database_of(request).tenant(user.tenant_id) as connection:
        yield connection


TenantConnection = Annotated[Any, Depends(_tenant_connection)]
"""A transaction in the role ``brain_api``, bound to the tenant of who asks."""
