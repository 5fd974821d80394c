"""`brain replay`: registers the machine where asked, waits until collectors know it, and publishes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from brain import endpoints
from brain.failure import Failure
from brain.settings import Settings
from collectors import RecordingError, read_recording, replay_csv
from historian import Database, ensure_tenant, load_directory, register_machines
from plant import MachineSpec, template_library

log = structlog.get_logger()

_DIRECTORY_REFRESH_S = 7.0


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """What to replay, as whom, and where to."""

    file: Path
    site: str
    machine: str
    mapping: dict[str, str]
    time_column: str | None
    template: str | None
    line: str
    url: str | None


async def run_replay(settings: Settings, order: ReplayOrder) -> dict[str, int]:
    """Replay and wait until the broker has it all: {"rows", "readings", "refused", "skipped"}."""
    broker = order.url or endpoints.mqtt_url(settings)
    template = await _register(settings, order)
    signals = {signal.key for signal in template_library()[template].signals}
    unknown = sorted(set(order.mapping.values()) - signals)
    if unknown:
        raise Failure(f"template {template} has no signal {', '.join(unknown)}; it has {', '.join(sorted(signals))}")
    try:
        recording = read_recording(order.file, order.mapping, time_column=order.time_column, signals=sorted(signals))
    except RecordingError as problem:
        raise Failure(f"{order.file}: {problem}") from problem
    counts = await replay_csv(recording, broker, order.site, order.machine)
    for line in counts.problems:
        log.warning("recording_not_read_whole", file=str(order.file), reason=line)
    return {
        "rows": counts.rows,
        "readings": counts.readings,
        "refused": counts.refused,
        "skipped": counts.skipped,
    }


async def _register(settings: Settings, order: ReplayOrder) -> str:
    async with (
        Database.open(endpoints.database_url(settings), max_size=1) as database,
        database.connection() as connection,
    ):
        tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        known = (await load_directory(connection, tenant_id)).machine(order.site, order.machine)
        if known is not None:
            return known.template
        if order.template is None:
            raise Failure(
                f"machine {order.site}/{order.machine} is not registered: register it with --template "
                f"({', '.join(template_library())})"
            )
        if order.template not in template_library():
            raise Failure(f"template {order.template!r} is not known; known are {', '.join(template_library())}")
        spec = MachineSpec(order.site, order.line, order.machine, order.machine, order.template)
        await register_machines(connection, tenant_id, [spec])
    # Collectors ask for new machines every few seconds; what came before would go to quarantine.
    await asyncio.sleep(_DIRECTORY_REFRESH_S)
    return order.template
