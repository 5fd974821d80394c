"""What the plant consists of and what can be wrong with it: sites, templates, failure modes."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.context import TenantConnection
from api.identity import Viewer
from historian import list_sites
from plant import Fault, Template, fault_library, template_library

router = APIRouter(tags=["catalogue"])


class Items(BaseModel):
    """A list that fits on one page."""

    items: list[dict[str, Any]]
    next_cursor: None = None


@router.get("/sites")
async def sites(connection: TenantConnection) -> Items:
    """Sites with how many machines they have."""
    return Items(items=await list_sites(connection))


@router.get("/templates")
async def templates(_user: Viewer) -> list[Template]:
    """Machine types: signals, nameplate fields, limits, states."""
    return list(template_library().values())


@router.get("/failure-modes")
async def failure_modes(_user: Viewer) -> list[Fault]:
    """The fault library, Chinese and English."""
    return list(fault_library().values())
