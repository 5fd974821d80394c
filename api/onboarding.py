"""Onboarding: what tags are proposed to be, and whether what arrives of a machine is right.

Nothing here connects to an address that somebody enters.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from analytics import detectability
from api.context import TenantConnection
from api.identity import Viewer
from api.machines import Detectability, to_detectability
from api.problems import not_found
from historian import get_detail, get_machine, read_recent
from onboarding import DEFAULT_MACHINE, Tag, by_signal, check_machine
from onboarding import propose as proposed
from plant import template_library, to_microseconds

router = APIRouter(prefix="/onboarding", tags=["onboarding"])

_Text = Annotated[str, Field(max_length=500)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_MOST_TAGS = 5000


class TagIn(BaseModel):
    """A tag as a device names it; low, high and samples are in its own unit."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    unit: _Text = ""
    description: _Text = ""
    data_type: _Text = ""
    low: _Number | None = None
    high: _Number | None = None
    samples: Annotated[list[_Number], Field(max_length=100)] = []


class TagsIn(BaseModel):
    """Tags of one plant; ``machine`` is the name of a machine that no tag names."""

    tags: Annotated[list[TagIn], Field(min_length=1, max_length=_MOST_TAGS)]
    machine: Annotated[str, Field(min_length=1, max_length=100)] = DEFAULT_MACHINE


class CandidateOut(BaseModel):
    """A signal that a tag may be."""

    signal: str
    factor: float
    offset: float
    confidence: float


class ProposedTag(BaseModel):
    """What a tag is proposed to be; value in ``unit`` = value * factor + offset. ``ask``: a person must say."""

    name: str
    machine: str
    template: str | None
    signal: str | None
    factor: float
    offset: float
    unit: str
    confidence: float
    reason: str
    ask: bool
    candidates: list[CandidateOut]


class ProposedTags(BaseModel):
    """One item a tag, in their order."""

    items: list[ProposedTag]


class CheckItem(BaseModel):
    """What was found of a signal, or of the machine (empty signal), and what to do."""

    check: str
    level: str
    signal: str
    found: str
    fix: str


class Check(BaseModel):
    """The commissioning check of a machine, what is wrong first; and which failure modes its signals can show."""

    machine_id: int
    ok: bool
    items: list[CheckItem]
    detectability: list[Detectability]


@router.post("/propose")
def propose(_user: Viewer, body: TagsIn) -> ProposedTags:
    """Say which machine and signal each tag is, how sure that is, and why; stores nothing."""
    tags = [
        Tag(tag.name, tag.unit, tag.description, tag.data_type.lower(), tag.low, tag.high, tuple(tag.samples))
        for tag in body.tags
    ]
    return ProposedTags(items=[ProposedTag.model_validate(asdict(item)) for item in proposed(tags, body.machine)])


@router.get("/check")
async def check(
    connection: TenantConnection,
    machine_id: int,
    minutes: Annotated[float, Query(gt=0, le=120, description="how much of its newest readings to judge")] = 10.0,
) -> Check:
    """Judge what arrives of a machine: signals missing or stuck, units, phases, clock; each with what to do."""
    row = await get_machine(connection, machine_id)
    template = template_library().get(row.template) if row is not None else None
    if row is None or template is None:
        raise not_found("machine", machine_id)
    nameplate = (await get_detail(connection, machine_id)).nameplate
    batch, signals = await read_recent(connection, machine_id, timedelta(minutes=minutes))
    newest = {
        key: (signal.id, to_microseconds(signal.time) if signal.time is not None else None)
        for key, signal in signals.items()
    }
    answers = check_machine(template, nameplate, by_signal(batch, newest), to_microseconds(datetime.now(UTC)))
    complete = template.complete_nameplate(nameplate)
    arrived = {key for key, (_, time) in newest.items() if time is not None}
    return Check(
        machine_id=machine_id,
        ok=all(answer.level != "problem" for answer in answers),
        items=[CheckItem.model_validate(asdict(answer)) for answer in answers],
        detectability=[to_detectability(entry) for entry in detectability(template, complete, arrived)],
    )
