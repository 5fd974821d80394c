"""Records of failures and maintenance in a directory of CSV files, as history for the historian.

The layout is that of the public predictive-maintenance tables: ``PdM_machines.csv`` (machineID, model, age),
``PdM_failures.csv`` (datetime, machineID, failure), ``PdM_maint.csv`` (datetime, machineID, comp), and where there are
such, ``PdM_errors.csv`` and hourly ``PdM_telemetry.csv``. Times carry no zone and are taken as UTC.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from brain.failure import Failure
from historian import FailureRecord, StateRow
from plant import MachineSpec, WorkRecord

_HOUR = timedelta(hours=1)
TEMPLATE = "production_machine"


@dataclass(frozen=True, slots=True)
class EventRecords:
    """What a directory says.

    start, end: the time in which failures were recorded; exposure: ``telemetry`` where machines were seen running
        hour by hour, ``calendar`` where it must be taken that they ran all that time
    """

    machines: list[MachineSpec]
    states: dict[str, list[StateRow]]
    failures: list[FailureRecord]
    work: list[WorkRecord]
    start: datetime
    end: datetime
    exposure: str


def read_event_records(directory: Path, site: str) -> EventRecords:
    """Read a directory; raises :class:`Failure` naming file and line where it does not fit."""
    machines = [
        MachineSpec(
            site, row["model"], row["machineID"], row["machineID"], TEMPLATE,
            nameplate={"model": row["model"], "age_years": float(row["age"])},
        )
        for row in _rows(directory / "PdM_machines.csv", "machineID", "model", "age")
    ]  # fmt: skip
    broken: dict[tuple[str, datetime], list[str]] = {}
    for row in _rows(directory / "PdM_failures.csv", "datetime", "machineID", "failure"):
        broken.setdefault((row["machineID"], _time(row)), []).append(row["failure"])
    failures = [FailureRecord(machine, at, at, ", ".join(parts)) for (machine, at), parts in sorted(broken.items())]
    work = [_job(site, row, broken) for row in _rows(directory / "PdM_maint.csv", "datetime", "machineID", "comp")]
    if not machines or not failures:
        raise Failure(f"{directory}: no machines or no failures in it")
    telemetry = directory / "PdM_telemetry.csv"
    if telemetry.is_file():
        states = _seen(telemetry)
        start = min(rows[0].started_at for rows in states.values())
        end = max(rows[-1].ended_at for rows in states.values())
        return EventRecords(machines, states, failures, work, start, end, "telemetry")
    # Errors and failures are recorded while machines are watched; maintenance may have been noted before.
    errors = directory / "PdM_errors.csv"
    watched = [failure.started_at for failure in failures]
    watched += [_time(row) for row in _rows(errors, "datetime", "machineID")] if errors.is_file() else []
    start, end = min(watched), max(*watched, *(job.closed_at for job in work))
    states = {spec.machine: [StateRow(start, end, "running")] for spec in machines}
    return EventRecords(machines, states, failures, work, start, end, "calendar")


def _job(site: str, row: dict[str, str], broken: dict[tuple[str, datetime], list[str]]) -> WorkRecord:
    """A replaced part; one that failed at that very moment was nothing that anybody had planned."""
    at = _time(row)
    failed = row["comp"] in broken.get((row["machineID"], at), ())
    return WorkRecord(site, row["machineID"], "corrective" if failed else "preventive", row["comp"], at, at)


def _seen(path: Path) -> dict[str, list[StateRow]]:
    """Running in every hour with a row, off-line between."""
    times: dict[str, list[datetime]] = {}
    for row in _rows(path, "datetime", "machineID"):
        times.setdefault(row["machineID"], []).append(_time(row))
    states: dict[str, list[StateRow]] = {}
    for machine, hours in times.items():
        rows: list[StateRow] = []
        for hour in sorted(hours):
            if rows and hour <= rows[-1].ended_at:
                rows[-1] = StateRow(rows[-1].started_at, hour + _HOUR, "running")
                continue
            if rows:
                rows.append(StateRow(rows[-1].ended_at, hour, "off_line"))
            rows.append(StateRow(hour, hour + _HOUR, "running"))
        states[machine] = rows
    return states


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
                raise Failure(f"{path}: column {', '.join(missing)} is missing")
            for row in reader:
                if any(not row[name] for name in columns):
                    raise Failure(f"{path}, line {reader.line_num}: {', '.join(columns)} must be filled")
                yield row
    except FileNotFoundError:
        raise Failure(f"{path} is not there: name a directory with PdM_machines, PdM_failures, PdM_maint") from None


def _time(row: dict[str, str]) -> datetime:
    try:
        time = datetime.fromisoformat(row["datetime"])
    except ValueError:
        raise Failure(
            f"time {row['datetime']!r} of machine {row['machineID']} is not one: write 2015-01-31 06:00:00"
        ) from None
    return time.replace(tzinfo=time.tzinfo or UTC)
