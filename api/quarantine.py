"""Quarantine: what could not be taken as readings, with its reason and raw bytes."""

import base64
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.context import TenantConnection
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from historian import list_quarantine

router = APIRouter(tags=["quarantine"])


class Quarantined(BaseModel):
    """A message kept for a person; ``raw`` is base64 of its first bytes."""

    id: int
    received_at: datetime
    source: str
    address: str
    reason: str
    detail: str
    raw: str


@router.get("/quarantine")
async def quarantine(connection: TenantConnection, limit: Limit = 100, cursor: Cursor = None) -> Page[Quarantined]:
    """Quarantine, newest first."""
    rows = await list_quarantine(connection, after=decode_time_cursor(cursor), limit=limit + 1)
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[
            Quarantined(
                id=row.id,
                received_at=row.received_at,
                source=row.source,
                address=row.address,
                reason=row.reason,
                detail=row.detail,
                raw=base64.b64encode(row.raw).decode(),
            )
            for row in page
        ],
        next_cursor=encode_cursor(page[-1].received_at.isoformat(), page[-1].id) if more else None,
    )
