"""Simulated devices that publish over MQTT: one message a machine and sample, QoS 1, kept until acknowledged."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from plant import MachineSpec, Quality, to_datetime
from simulators.simulation import SIGNALS, Samples

_CONNECT_S = 5.0
_QUALITIES = {Quality.UNCERTAIN: "uncertain", Quality.BAD: "bad"}


class Devices:
    """A gateway that speaks for some of the plant's machines.

    What the broker has not acknowledged is sent again after a reconnect, with the time of measurement.
    """

    def __init__(self, client: mqtt.Client, specs: Sequence[MachineSpec], chosen: Sequence[int]) -> None:
        self._client = client
        self._topics = {number: f"ib/v1/{specs[number].site}/{specs[number].machine}/readings" for number in chosen}
        self._lock = threading.Lock()
        self._waiting: dict[int, int] = {}
        self._early: set[int] = set()
        self.sent = 0
        client.on_publish = self._acknowledged

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, specs: Sequence[MachineSpec], chosen: Sequence[int]) -> "AsyncIterator[Devices]":
        """Connect to ``url`` (mqtt://host:port), with MQTT 5 or, where the broker refuses it, 3.1.1."""
        client = await asyncio.to_thread(_connect, url)
        devices = cls(client, specs, chosen)
        try:
            yield devices
        finally:
            await devices.settle()
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    def publish(self, samples: Samples) -> None:
        """Hand samples to the client, oldest first; it sends them in the background."""
        for step, time in enumerate(samples.times.tolist()):
            moment = to_datetime(time).isoformat().replace("+00:00", "Z")
            for number, topic in self._topics.items():
                values: dict[str, float | bool] = {key: float(samples.signals[key][step, number]) for key in SIGNALS}
                values["running"] = bool(values["running"])
                message: dict[str, Any] = {"time": moment, "values": values}
                qualities = {
                    key: _QUALITIES[Quality(int(column[step, number]))]
                    for key, column in samples.qualities.items()
                    if column[step, number]
                }
                if qualities:
                    message["quality"] = qualities
                mid = self._client.publish(topic, orjson.dumps(message), qos=1).mid
                with self._lock:
                    if mid in self._early:
                        self._early.discard(mid)
                        self.sent += len(values)
                    else:
                        self._waiting[mid] = len(values)

    async def settle(self, patience_s: float = 15.0) -> None:
        """Wait until the broker has acknowledged everything."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._waiting:
                    await asyncio.sleep(0.05)

    def _acknowledged(self, _client: Any, _userdata: Any, mid: int, _reason: Any, _properties: Any) -> None:
        with self._lock:
            if mid in self._waiting:
                self.sent += self._waiting.pop(mid)
            else:
                self._early.add(mid)  # the broker was faster than publish() could return


def _connect(url: str) -> mqtt.Client:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 1883
    for protocol in (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311):
        answered = threading.Event()
        reasons: list[ReasonCode] = []

        def on_connect(
            _client: Any,
            _userdata: Any,
            _flags: Any,
            reason: ReasonCode,
            _properties: Any,
            *,
            into: Any = reasons,
            done: Any = answered,
        ) -> None:
            into.append(reason)
            done.set()

        clean = {} if protocol is MQTTProtocolVersion.MQTTv5 else {"clean_session": False}
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="simulated-gateway",
            protocol=protocol,
            **clean,  # type: ignore[arg-type]
        )
        client.on_connect = on_connect
        client.max_inflight_messages_set(200)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 5)
        client.connect(host, port, keepalive=30)
        client.loop_start()
        if answered.wait(_CONNECT_S) and not reasons[0].is_failure:
            return client
        client.disconnect()
        client.loop_stop()
    raise OSError(f"the broker at {url} refuses connections with MQTT 5 and 3.1.1")
