"""Lists come in pages: ``{"items": [...], "next_cursor": ...}``; a cursor is opaque to clients."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel

from api.problems import Problem

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=1000, description="items a page")]
Cursor = Annotated[str | None, Query(description="next_cursor of the page before")]


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(*parts: object) -> str:
    """A cursor that stands for the last row of a page."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[object]:
    """The parts of a cursor; :class:`Problem` 400 for anything that is none."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        parts = None
    if not isinstance(parts, list) or len(parts) != length:
        raise Problem(400, "The cursor is not one of ours: take next_cursor of the page before, or leave it out.")
    return parts


def decode_time_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    """(time, id) of a cursor over rows in order of time."""
    if cursor is None:
        return None
    moment, row_id = decode_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(str(moment)), int(str(row_id))
    except ValueError:
        raise Problem(400, "The cursor is not one of ours: take next_cursor of the page before.") from None
