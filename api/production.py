"""Pieces made, as a counter or a person reports them; energy of machines beside their like."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from analytics import energy_benchmark
from api.context import TenantConnection
from api.identity import Engineer
from api.machines import check_period
from api.problems import Problem, not_found
from historian import Production, add_production, load_energy_peers
from plant import template_library

router = APIRouter(tags=["kpis"])


class Made(BaseModel):
    """Pieces of a machine in [started_at, ended_at)."""

    machine: int
    started_at: AwareDatetime
    ended_at: AwareDatetime
    pieces: float = Field(ge=0)
    good: float = Field(ge=0)
    ideal_s: float = Field(gt=0, description="planned run time of one piece, in seconds")


class EnergyRank(BaseModel):
    """A machine among its peers: ``ratio`` is its load factor over the median of its template's machines.

    kwh: energy in hours measured; basis: meter, power, power_factor or assumed_power_factor
    """

    machine: str
    site: str
    kwh: float
    hours: float
    load_factor: float
    ratio: float | None
    basis: list[str]
    reason: str | None


class EnergyRanks(BaseModel):
    """Machines of a template in [start, end), greatest ratio first."""

    template: str
    start: datetime
    end: datetime
    items: list[EnergyRank]


@router.post("/production", status_code=204)
async def report_production(connection: TenantConnection, _user: Engineer, body: Made) -> None:
    """Report pieces made; the same machine and start again corrects."""
    if body.ended_at <= body.started_at:
        raise Problem(422, "ended_at must be after started_at.")
    if body.good > body.pieces:
        raise Problem(422, "good must not be more than pieces.")
    made = Production(body.machine, body.started_at, body.ended_at, body.pieces, body.good, body.ideal_s)
    if not await add_production(connection, made):
        raise not_found("machine", body.machine)


@router.get("/kpis/energy")
async def energy(
    connection: TenantConnection, start: AwareDatetime, end: AwareDatetime, template: str = "motor"
) -> EnergyRanks:
    """Energy of the machines of a template, each beside the median of its like."""
    check_period(start, end)
    if template not in template_library():
        raise Problem(422, f"template must be one of {', '.join(template_library())}.")
    ranks = energy_benchmark(await load_energy_peers(connection, template, start, end))
    items = [EnergyRank.model_validate(rank, from_attributes=True) for rank in ranks]
    return EnergyRanks(template=template, start=start, end=end, items=items)
