"""A service shared by several processes: each is one worker of so many, kept running by their parent."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brain.services.lifetime import until_told_to_stop
from brain.supervisor import Service, Supervisor
from collectors import MqttSource

_Source = TypeVar("_Source")


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of how many; the first is number 0."""

    number: int = 0
    count: int = 1

    def name(self, service: str) -> str:
        """What this worker's lane, files and log are called; the first bears the service's own name."""
        return service if self.number == 0 else f"{service}-{self.number}"


async def run_workers(service: str, count: int, log_dir: Path, environment: Mapping[str, str]) -> None:
    """Run ``brain <service> --workers <count> --worker <number>`` for each number until told to stop."""
    told = until_told_to_stop()
    supervisor = Supervisor(log_dir)
    workers = [Worker(number, count) for number in range(count)]
    try:
        for worker in workers:
            arguments = [service, "--workers", str(count), "--worker", str(worker.number)]
            await supervisor.start(Service(worker.name(service), arguments, environment))
        await told.wait()
    finally:
        await asyncio.gather(*(supervisor.stop(worker.name(service)) for worker in workers))


def mqtt_share(source: MqttSource, worker: Worker, known: Sequence[int]) -> list[MqttSource]:
    """What one worker subscribes to so that all together take every message once.

    Each has a session of its own in one shared subscription (MQTT 5, 4.8.2; mosquitto knows it under 3.1.1 too).
    Sessions of workers that are no more would go on being given messages: the first worker takes them over without
    their subscriptions, until nothing is left in them. ``known``: numbers of workers there have been.
    """
    if worker.count == 1:
        mine = [source]
    else:
        shared = tuple(
            topic if topic.startswith("$share/") else f"$share/{source.client_id}/{topic}"
            for topic in source.reading_filters
        )
        # A shared subscription is not told retained messages, and a state concerns the whole: one worker keeps them.
        states = source.state_filters if worker.number == 0 else ()
        mine = [_of_worker(source, worker.number, shared, states)]
    if worker.number == 0:
        mine += [_of_worker(source, number, (), ()) for number in known if number >= worker.count]
    return mine


def whole_share(sources: Sequence[_Source], worker: Worker) -> list[_Source]:
    """The OPC UA servers or brokers of one worker: what only one may collect from, since it must see all of it."""
    return list(sources[worker.number :: worker.count])


def _of_worker(source: MqttSource, number: int, topics: tuple[str, ...], states: tuple[str, ...]) -> MqttSource:
    share: dict[str, object] = {"topics": topics, "mapped_topics": (), "state_topics": states}
    if number:
        share |= {"name": f"{source.name}@{number}", "client_id": f"{source.client_id}-{number}"}
    return source.model_copy(update=share)
