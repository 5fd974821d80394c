"""Machines: the ranked list, one machine, its trends; and the whole fleet in columns."""

import math
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from analytics import Answer, detectability_now
from api.context import TenantConnection
from api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import Connection, FleetRow, find_signal, get_detail, get_machine, list_fleet, list_signals, read_trend
from plant import Nameplate, Quality, Template, fault_library, template_library, to_datetime

router = APIRouter(tags=["machines"])

_SORTS = ("risk", "code", "health", "site", "line", "state", "id")


class Machine(BaseModel):
    """A machine as lists show it; health 0..100, risk 0..1, both null while it is learnt what is normal.

    held_since: health and risk rest in part on what was last known then, because data are missing or the machine
    stands; null where all is of ``judged_at``
    """

    id: int
    code: str
    name: str
    site: str
    line: str
    template: str
    state: str
    state_since: datetime | None
    health: float | None
    risk: float | None
    judged_at: datetime | None
    held_since: datetime | None
    failure_mode: str | None
    probability: float | None
    active_alarms: int


class Signal(BaseModel):
    """A signal and its newest reading; ``value`` is null where the device gave none."""

    key: str
    name_en: str
    name_zh: str
    unit: str
    time: datetime | None
    value: float | None
    quality: str | None


class Detectability(BaseModel):
    """Whether a failure mode can be told of a machine, by its sensors and at this moment.

    because: null where it can; not_measured, lost (nothing believable comes now), standing, history (too little of
    the last hours was seen) or learning
    why: because, in words; text: the whole sentence; settled_by: what would settle it
    missing: signals, or measurements that no signal gives, that would be enough
    """

    failure_mode: str
    name_en: str
    name_zh: str
    because: str | None
    missing: list[str]
    why_en: str
    why_zh: str
    text_en: str
    text_zh: str
    settled_by_en: str
    settled_by_zh: str


class MachineDetail(Machine):
    """A machine with nameplate, signals and what analytics last found."""

    area: str
    site_name: str
    time_zone: str
    nameplate: dict[str, Any]
    downtime_cost_per_h: float
    currency: str
    model_version: int | None
    indicators: dict[str, float]
    signals: list[Signal]
    detectability: list[Detectability]


class Trend(BaseModel):
    """A signal over time in columns; a gap in the data is a gap in ``time``, nothing is interpolated.

    value is the mean of what a point stands for, minimum and maximum its extremes.
    """

    signal: str
    unit: str
    source: str
    width_s: float
    time: list[datetime]
    value: list[float | None]
    minimum: list[float | None]
    maximum: list[float | None]


def to_machine(row: FleetRow) -> Machine:
    """The list's form of a row."""
    return Machine(
        id=row.id,
        code=row.code,
        name=row.name,
        site=row.site,
        line=row.line,
        template=row.template,
        state=row.state,
        state_since=row.state_since,
        health=row.health,
        risk=row.risk,
        judged_at=row.judged_at,
        held_since=row.held_since,
        failure_mode=row.failure_mode,
        probability=row.probability,
        active_alarms=row.active_alarms,
    )


def sorted_rows(rows: list[FleetRow], sort: str) -> list[FleetRow]:
    """Rows in the order of a field, descending after ``-``; unknown values last, ties by id."""
    field, descending = sort.lstrip("-"), sort.startswith("-")
    if field not in _SORTS:
        raise Problem(422, f"sort must be one of {', '.join(_SORTS)}, with - for descending, not {sort!r}.")
    known = [row for row in rows if getattr(row, field) is not None]
    known.sort(key=lambda row: row.id)
    known.sort(key=lambda row: getattr(row, field), reverse=descending)
    unknown = sorted((row for row in rows if getattr(row, field) is None), key=lambda row: row.id)
    return known + unknown


@router.get("/machines")
async def machines(
    connection: TenantConnection,
    sort: Annotated[str, Query(description="risk, code, health, site, line, state or id; - for descending")] = "-risk",
    site: str | None = None,
    line: str | None = None,
    state: str | None = None,
    q: Annotated[str | None, Query(description="part of code or name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Machine]:
    """Machines, riskiest first unless told otherwise."""
    rows = [
        row
        for row in sorted_rows(await list_fleet(connection), sort)
        if (site is None or row.site == site)
        and (line is None or row.line == line)
        and (state is None or row.state == state)
        and (q is None or q.lower() in f"{row.code} {row.name}".lower())
    ]
    start = 0
    if cursor is not None:
        # Risk changes while somebody pages: the cursor remembers the ids that were shown.
        after, position = decode_cursor(cursor, 2)
        ids = [row.id for row in rows]
        start = ids.index(after) + 1 if after in ids else int(str(position))
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return Page(
        items=[to_machine(row) for row in page],
        next_cursor=encode_cursor(page[-1].id, start + limit) if more and page else None,
    )


@router.get("/fleet")
async def fleet(connection: TenantConnection) -> dict[str, list[Any]]:
    """All machines at once, a list a column, for screens that show the whole fleet."""
    rows = await list_fleet(connection)
    columns = (
        "id", "code", "name", "site", "line", "template", "state", "health", "risk", "failure_mode", "probability",
        "active_alarms",
    )  # fmt: skip
    return {column: [getattr(row, column) for row in rows] for column in columns}


@router.get("/machines/{machine_id}")
async def machine(connection: TenantConnection, machine_id: int) -> MachineDetail:
    """One machine."""
    return await machine_detail(connection, machine_id)


async def machine_detail(connection: Connection, machine_id: int) -> MachineDetail:
    """One machine; raises :class:`Problem` 404 where the tenant has none of this id."""
    row = await get_machine(connection, machine_id)
    if row is None:
        raise not_found("machine", machine_id)
    detail = await get_detail(connection, machine_id)
    template = template_library().get(row.template)
    names = {signal.key: signal for signal in template.signals} if template is not None else {}
    signals = [
        Signal(
            key=signal.key,
            name_en=names[signal.key].name_en if signal.key in names else signal.key,
            name_zh=names[signal.key].name_zh if signal.key in names else signal.key,
            unit=signal.unit,
            time=signal.time,
            value=finite(signal.value),
            quality=Quality(signal.quality).name.lower() if signal.quality is not None else None,
        )
        for signal in await list_signals(connection, machine_id)
    ]
    explanation = detail.explanation or {}
    nameplate = template.complete_nameplate(detail.nameplate) if template is not None else detail.nameplate
    return MachineDetail(
        **to_machine(row).model_dump(),
        area=detail.area,
        site_name=detail.site_name,
        time_zone=detail.time_zone,
        nameplate=nameplate,
        downtime_cost_per_h=detail.downtime_cost_per_h,
        currency=detail.currency,
        model_version=detail.model_version,
        indicators=explanation.get("indicators", {}),
        signals=signals,
        detectability=_told(template, nameplate, row, explanation, signals) if template is not None else [],
    )


def _told(
    template: Template, nameplate: Nameplate, row: FleetRow, explanation: dict[str, Any], signals: list[Signal]
) -> list[Detectability]:
    """What can be told of a machine now; of one that is off-line nothing is known now."""
    answers = detectability_now(
        template,
        nameplate,
        {signal.key for signal in signals if signal.time is not None},
        explanation.get("indicators", {}) if row.state != "off_line" else {},
        explanation.get("suspects", ()),
        running=explanation.get("running", False),
        learning=row.health is None,
    )
    return [to_detectability(entry) for entry in answers]


def to_detectability(entry: Answer) -> Detectability:
    """An answer with the failure mode's names."""
    fault = fault_library()[entry.failure_mode]
    return Detectability(**asdict(entry), name_en=fault.name_en, name_zh=fault.name_zh)


@router.get("/machines/{machine_id}/trend")
async def trend(
    connection: TenantConnection,
    machine_id: int,
    signal: str,
    start: datetime,
    end: datetime,
    points: Annotated[int, Query(ge=2, le=5000)] = 1000,
) -> Trend:
    """A signal's trend in [start, end), extremes kept."""
    return await signal_trend(connection, machine_id, signal, start, end, points)


async def signal_trend(
    connection: Connection, machine_id: int, signal: str, start: datetime, end: datetime, points: int
) -> Trend:
    """A trend; raises :class:`Problem` where machine, signal or period is wrong."""
    check_period(start, end)
    found = await find_signal(connection, machine_id, signal)
    if found is None:
        raise not_found("signal", f"{signal} of machine {machine_id}")
    signal_id, unit = found
    data = await read_trend(connection, signal_id, start, end, points)
    return Trend(
        signal=signal,
        unit=unit,
        source=data.source,
        width_s=data.width_s,
        time=[to_datetime(time) for time in data.times.tolist()],
        value=[finite(value) for value in data.values.tolist()],
        minimum=[finite(value) for value in data.minima.tolist()],
        maximum=[finite(value) for value in data.maxima.tolist()],
    )


def check_period(start: datetime, end: datetime) -> None:
    """Raise :class:`Problem` for a period without zone or that ends before it begins."""
    if start.tzinfo is None or end.tzinfo is None:
        raise Problem(422, "start and end need a time zone, as in 2026-11-20T08:00:00Z.")
    if end <= start:
        raise Problem(422, "end must be after start.", detail_zh="结束时间须晚于开始时间。", field="end")


def finite(value: float | None) -> float | None:
    """A number that JSON can carry."""
    return value if value is not None and math.isfinite(value) else None
