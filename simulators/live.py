"""The plant live: once a second all machines are measured and served, half over OPC UA, half over MQTT."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from plant import MICROSECONDS
from simulators.mqtt_devices import Devices
from simulators.opcua_server import PlantServer
from simulators.simulation import PlantSimulation

_REPORT_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """Readings that left the plant: written into the OPC UA server, acknowledged by the MQTT broker."""

    opcua_sent: int = 0
    mqtt_sent: int = 0

    def plus(self, other: "LiveCounts") -> "LiveCounts":
        """Both together."""
        return LiveCounts(self.opcua_sent + other.opcua_sent, self.mqtt_sent + other.mqtt_sent)


async def run_live(
    simulation: PlantSimulation,
    *,
    opcua_url: str,
    mqtt_url: str,
    until: asyncio.Event,
    step_s: float = 1.0,
    report: Callable[[LiveCounts], None] | None = None,
) -> LiveCounts:
    """Run in wall time until told; what was sent. ``report`` hears of it every few seconds and at the end.

    Time that passed before the start passes silently: the plant was not connected.
    """
    specs = simulation.plan.specs
    by_opcua, by_mqtt = range(0, len(specs), 2), range(1, len(specs), 2)
    await asyncio.to_thread(simulation.skip, _now())
    counts = LiveCounts()
    async with PlantServer.open(opcua_url, specs, by_opcua) as server:
        async with Devices.open(mqtt_url, specs, by_mqtt) as devices:
            simulation.time = max(simulation.time, _now() - 2 * MICROSECONDS)
            reported = 0.0
            while not until.is_set():
                samples = simulation.advance(_now(), step_s)
                devices.publish(samples)
                await server.write(samples)
                counts = LiveCounts(server.sent, devices.sent)
                if report is not None and time.monotonic() - reported > _REPORT_S:
                    report(counts)
                    reported = time.monotonic()
                rest = step_s - (_now() % int(step_s * MICROSECONDS)) / MICROSECONDS
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), rest + 0.005)
        counts = LiveCounts(server.sent, devices.sent)
        if report is not None:
            report(counts)
        # Clients still fetch the last values: a publishing interval passes before the server goes.
        await asyncio.sleep(1.5)
    return counts


def _now() -> int:
    return time.time_ns() // 1000
