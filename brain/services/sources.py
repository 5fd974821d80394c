"""The collectors of a settings file, and what they say of themselves: the same in the cloud and on a gateway."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.services.workers import Worker, mqtt_share, whole_share
from brain.settings import Settings
from collectors import CertificateStore, MqttCollector, OpcUaCollector, SparkplugCollector, remembered_workers
from plant import SignalDirectory, Sink, to_microseconds

Collector: TypeAlias = MqttCollector | OpcUaCollector | SparkplugCollector

_STATUS_S = 1.0


def now_us() -> int:
    """The wall clock, microseconds since the epoch."""
    return to_microseconds(datetime.now(UTC))


def require_sources(settings: Settings) -> None:
    """Raise :class:`Failure` where there is nothing to collect from."""
    if not (settings.opcua or settings.mqtt or settings.sparkplug):
        raise Failure(
            "nothing to collect from: give [[opcua]], [[mqtt]] or [[sparkplug]] in the settings file "
            "(docs/settings.md has examples)"
        )


def collectors_of(
    settings: Settings, worker: Worker, directory: Callable[[], SignalDirectory], sink: Sink
) -> list[Collector]:
    """This worker's share of every source."""
    memory: Path = settings.data_dir / "sources"
    certificates = CertificateStore(settings.pki_dir)
    collectors: list[Collector] = [
        OpcUaCollector(source, directory, sink, now_us, certificates, memory)
        for source in whole_share(settings.opcua, worker)
    ]
    collectors += [
        SparkplugCollector(source, directory, sink, now_us) for source in whole_share(settings.sparkplug, worker)
    ]
    for source in settings.mqtt:
        known = remembered_workers(memory, "mqtt", source.name)
        collectors += [
            MqttCollector(share, directory, sink, now_us, memory) for share in mqtt_share(source, worker, known)
        ]
    return collectors


async def report(
    collectors: list[Collector],
    run_directory: RunDirectory,
    name: str,
    more: Callable[[], dict[str, Any]] = dict,
) -> None:
    """Write down how the collectors are, once a second; ``more`` is written beside it."""

    def status() -> dict[str, Any]:
        return {"sources": [asdict(collector.status()) for collector in collectors], **more(), "at": now_us()}

    try:
        while True:
            run_directory.write(name, status())
            await asyncio.sleep(_STATUS_S)
    finally:
        run_directory.write(name, status())
