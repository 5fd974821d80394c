"""``brain analyze``: conditions (alarms, models, findings), operation (states, downtime), peers of one type."""

from datetime import UTC, datetime

from analytics import ConditionService, LivePlant, OperationService, PeerService
from brain.services.lifetime import run_until_told, until_told_to_stop
from brain.settings import Settings
from historian import Database, PlantWatch
from plant import to_microseconds


def _clock() -> int:
    return to_microseconds(datetime.now(UTC))


async def analyze(settings: Settings, database_url: str) -> None:  # noqa: ARG001
    """Judge what the historian holds until told to stop."""
    told = until_told_to_stop()
    async with Database.open(database_url, max_size=5, patience_s=3600) as database:
        watch = PlantWatch(database)
        plant = LivePlant(lambda: watch.revision)
        await run_until_told(
            watch.run(),
            ConditionService(database, plant, _clock).run(),
            OperationService(database, plant, _clock).run(),
            PeerService(database, plant, _clock).run(),
            told=told,
        )
