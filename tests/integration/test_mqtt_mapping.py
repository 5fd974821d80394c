"""Foreign JSON and last wills through a real broker, and trying a mapping out on one."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from brain.embedded_broker import EmbeddedBroker
from brain.services.workers import Worker, mqtt_share
from collectors import MqttCollector, MqttSource, SessionOptions, connect

from .conftest import NOW_MS, NOW_US, SITE, Device, RecordingSink, directory_of, message, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DIRECTORY = directory_of(["M1", "M2", "M3"])
CURRENT_1, CURRENT_2, CURRENT_3, RUNNING_3 = 1, 4, 7, 9

TELEMETRY: dict[str, Any] = {
    "topic": "factory/{site}/{machine}/telemetry",
    "time_path": "ts",
    "time_format": "epoch_ms",
    "values": [{"path": "Ia", "signal": "current_u", "unit": "mA"}],
    "state_topic": "factory/{site}/{machine}/lwt",
}
GATEWAY: dict[str, Any] = {
    "topic": "gw/up",
    "site": SITE,
    "each": ["devices", "tags"],
    "machine_path": "^id",
    "signal_path": "name",
    "time_path": "ts",
    "time_format": "epoch_ms",
    "values": [
        {"name": "Ia", "signal": "current_u", "factor": 0.1},
        {"name": "St", "signal": "running", "enum": {"RUN": True, "STOP": False}},
    ],
}


def collector_at(url: str, sink: RecordingSink, memory: Path | None = None, **options: object) -> MqttCollector:
    return MqttCollector(source_at(url, **options), lambda: DIRECTORY, sink, lambda: NOW_US, memory)


def source_at(url: str, **options: object) -> MqttSource:
    return MqttSource.model_validate({"name": "mqtt", "url": url, "client_id": "collector", **options})


def telemetry(number: int) -> bytes:
    return orjson.dumps({"ts": NOW_MS + number, "Ia": number * 1000, "rssi": -70})


def gateway(number: int) -> bytes:
    tags = [{"name": "Ia", "value": number * 10, "ts": NOW_MS + number}]
    tags.append({"name": "St", "value": "RUN" if number % 2 else "STOP", "ts": NOW_MS + number})
    return orjson.dumps({"devices": [{"id": "M3", "tags": tags}]})


POISON = [b"", b"{", b"\xff\xfe\x00", b"[" * 5000, b"42", b'{"ts": "soon", "Ia": 1}', b'{"ts": 1e12, "Ia": "a lot"}']


async def test_mapped_native_and_poison_messages_share_a_source(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    collector = collector_at(broker.url, sink, receive_maximum=4, mappings=[TELEMETRY, GATEWAY])
    modern = await asyncio.to_thread(connect, broker.url, SessionOptions("a-device-of-mqtt-5"))
    try:
        async with running(collector):
            await until(lambda: collector.status().connected, "the collector to connect")
            for number in range(40):
                await device.send(message(NOW_MS + number, current_u=number), machine="M1")
                # A device of MQTT 5 where the broker knows it, beside one of 3.1.1.
                modern.publish(f"factory/{SITE}/M2/telemetry", telemetry(number))
                await device.publish("gw/up", gateway(number))
                await device.publish(f"factory/{SITE}/M2/telemetry", POISON[number % len(POISON)])
            await until(lambda: len(sink.values(RUNNING_3)) == 40, "all readings of the gateway")
            await until(lambda: len(sink.values(CURRENT_2)) == 40, "all mapped readings")
            await until(lambda: len(sink.rejected) == 40, "all poison to be put aside")
        for signal_id in (CURRENT_1, CURRENT_2, CURRENT_3):
            assert sink.values(signal_id) == list(range(40))
        assert sink.values(RUNNING_3) == [float(number % 2) for number in range(40)]
        assert {entry.reason for entry in sink.rejected} == {"not_json", "bad_shape", "bad_time", "not_a_number"}
        assert {entry.address for entry in sink.rejected} == {f"factory/{SITE}/M2/telemetry"}
    finally:
        await asyncio.to_thread(modern.close)


async def test_poison_is_acknowledged_and_not_delivered_again(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    first = collector_at(mosquitto.url, sink, mappings=[TELEMETRY])
    async with running(first):
        await until(lambda: first.status().connected, "the collector to connect")
        await device.publish(f"factory/{SITE}/M2/telemetry", *POISON)
        await until(lambda: len(sink.rejected) == len(POISON), "the poison to be put aside")
        await device.publish(f"factory/{SITE}/M2/telemetry", telemetry(1))
        await until(lambda: sink.values(CURRENT_2) == [1], "the reading after it")
    again = RecordingSink()
    second = collector_at(mosquitto.url, again, mappings=[TELEMETRY])
    async with running(second):
        await until(lambda: second.status().connected, "the collector to connect again")
        await device.publish(f"factory/{SITE}/M2/telemetry", telemetry(2))
        await until(lambda: 2 in again.values(CURRENT_2), "the next reading")
    assert again.rejected == []


async def test_a_mapping_that_is_removed_is_unsubscribed_though_the_session_is_kept(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    first = collector_at(broker.url, sink, memory, mappings=[TELEMETRY, GATEWAY])
    async with running(first):
        await until(lambda: first.status().connected, "the collector to connect")
    second = collector_at(broker.url, sink, memory, mappings=[GATEWAY])
    async with running(second):
        await until(lambda: second.status().connected, "the collector to connect with fewer mappings")
        await device.publish(f"factory/{SITE}/M2/telemetry", telemetry(1))
        await device.publish(f"factory/{SITE}/M2/lwt", b"offline")
        await device.publish("gw/up", gateway(7))
        await until(lambda: sink.values(CURRENT_3) == [7], "the mapping that is left")
        assert second.status().devices_offline == 0
    # Were it still subscribed, it would be refused as bad_topic now.
    assert sink.rejected == []


async def test_workers_share_mapped_messages_and_one_keeps_the_states(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, tmp_path: Path
) -> None:
    await device.publish(f"ib/v1/{SITE}/M1/state", b'{"online": false}', retain=True)
    source = source_at(mosquitto.url, mappings=[TELEMETRY])
    shares = [mqtt_share(source, Worker(number, 2), [])[0] for number in range(2)]
    collectors = [MqttCollector(share, lambda: DIRECTORY, sink, lambda: NOW_US, tmp_path) for share in shares]
    async with running(collectors[0]), running(collectors[1]):
        await until(lambda: all(one.status().connected for one in collectors), "both to connect")
        for number in range(20):
            await device.publish(f"factory/{SITE}/M2/telemetry", telemetry(number))
        await until(lambda: len(sink.values(CURRENT_2)) == 20, "all readings")
        await until(lambda: collectors[0].status().devices_offline == 1, "the state that was kept")
        assert collectors[1].status().devices_offline == 0
    assert len(sink.rows) == 20


class Willing:
    """A device with a last will, in a process of its own that can be killed."""

    def __init__(self, url: str, topic: str, online: bytes, offline: bytes) -> None:
        code = (
            "import sys, time\n"
            "from urllib.parse import urlsplit\n"
            "from paho.mqtt import client as mqtt\n"
            "from paho.mqtt.enums import CallbackAPIVersion\n"
            "url, topic, online, offline = sys.argv[1:]\n"
            "client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id='willing')\n"
            "client.will_set(topic, offline, qos=1, retain=True)\n"
            "parts = urlsplit(url)\n"
            "client.connect(parts.hostname, parts.port)\n"
            "client.loop_start()\n"
            "client.publish(topic, online, qos=1, retain=True).wait_for_publish(10)\n"
            "time.sleep(120)\n"
        )
        self._process = subprocess.Popen([sys.executable, "-c", code, url, topic, online.decode(), offline.decode()])

    def kill(self) -> None:
        """It dies without a word."""
        self._process.kill()
        self._process.wait(10)


@pytest.mark.parametrize(
    ("topic", "online", "offline"),
    [
        (f"ib/v1/{SITE}/M1/state", b'{"online": true}', b'{"online": false, "time": "2026-11-20T08:00:00Z"}'),
        (f"factory/{SITE}/M1/lwt", b"online", b"offline"),
    ],
    ids=["native", "mapped"],
)
async def test_the_last_will_of_a_killed_device_shows_and_is_known_to_the_next_process(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, topic: str, online: bytes, offline: bytes
) -> None:
    collector = collector_at(mosquitto.url, sink, mappings=[TELEMETRY])
    willing = Willing(mosquitto.url, topic, online, offline)
    try:
        async with running(collector):
            await until(lambda: collector.status().devices_online == 1, "the device to be there")
            await device.publish(f"ib/v1/{SITE}/M2/state", b'{"online": "maybe"}', b"x")
            willing.kill()
            await until(lambda: collector.status().devices_offline == 1, "the device to be gone")
            status = collector.status()
            assert (status.devices_online, [entry.machine for entry in status.offline]) == (0, ["M1"])
            await until(lambda: len(sink.rejected) == 2, "what is no state to be put aside")
    finally:
        willing.kill()
    assert (sink.rows, sink.reasons()) == ([], ["bad_shape", "not_json"])
    # The session is kept, so the broker would not tell what it has told: states are asked for again.
    second = collector_at(mosquitto.url, sink, mappings=[TELEMETRY])
    async with running(second):
        await until(lambda: second.status().devices_offline == 1, "the state that the broker kept")


async def test_a_broker_that_refuses_states_still_gives_readings(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collectors import Connection, Refused

    subscribe = Connection.subscribe

    def refusing(self: Connection, topics: Any, **options: Any) -> None:
        if options.get("retained_again"):
            raise Refused("the broker refuses to subscribe states")
        subscribe(self, topics, **options)

    monkeypatch.setattr(Connection, "subscribe", refusing)
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect all the same")
        await device.send(message(NOW_MS, current_u=1))
        await until(lambda: sink.values(CURRENT_1) == [1], "a reading")


# ---------------------------------------------------------------------- trying out


def brain(*arguments: str, cwd: Path, stdin: bytes = b"") -> "asyncio.Future[subprocess.CompletedProcess[bytes]]":
    """The command line, in a directory without settings."""
    command = [sys.executable, "-m", "brain", *arguments]
    root = Path(__file__).parents[2]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BRAIN_")}
    environment |= {"PYTHONPATH": str(root), "BRAIN_DATA_DIR": str(cwd / "data")}
    run = asyncio.to_thread(
        subprocess.run, command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=60, check=False
    )
    return asyncio.ensure_future(run)


MAPPING_FILE = """
topic = "factory/{site}/{machine}/telemetry"
time_path = "ts"
time_format = "epoch_ms"
values = [{ path = "Ia", signal = "current_u", unit = "mA" }]
"""


async def test_a_mapping_is_tried_out_live_and_leaves_nothing_behind(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, tmp_path: Path
) -> None:
    (tmp_path / "box.toml").write_text(MAPPING_FILE)
    collector = collector_at(mosquitto.url, sink, mappings=[TELEMETRY])
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        trying = brain(
            *("onboard", "try-mapping", "--mapping", "box.toml", "--url", mosquitto.url),
            *("--seconds", "30", "--most", "3", "--json"),
            cwd=tmp_path,
        )
        sent = 0
        while not trying.done():
            await device.publish(f"factory/{SITE}/M2/telemetry", telemetry(sent), b"{broken")
            sent += 1
            await asyncio.sleep(0.1)
        answer = trying.result()
        assert answer.returncode == 0, answer.stderr
        found = orjson.loads(answer.stdout.splitlines()[-1])
        assert found["messages"] == 3
        assert {(entry["machine"], entry["signal"], entry["unit"]) for entry in found["readings"]} == {
            ("M2", "current_u", "A")
        }
        assert {entry["reason"] for entry in found["rejected"]} == {"not_json"}
        assert found["unmapped"] == ["$.rssi"]
        # Nothing was taken away from the collector, and nothing written.
        await until(lambda: len(sink.values(CURRENT_2)) == sent, "the collector to have everything")
        assert not (tmp_path / "data").exists()
    assert await sessions_after_stop(mosquitto) == {"collector"}


async def sessions_after_stop(broker: EmbeddedBroker) -> set[str]:
    """Client ids that mosquitto has written down as sessions; its store holds them as plain text."""
    await asyncio.to_thread(broker.stop)
    stores = list(broker._data_dir.rglob("*.db"))
    assert stores, "the broker keeps its sessions in a file"
    content = b"".join(path.read_bytes() for path in stores)
    return {name for name in ("collector", "brain-try") if name.encode() in content}


async def test_a_mapping_is_tried_out_on_a_sample(tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(MAPPING_FILE)
    (tmp_path / "sample.json").write_bytes(telemetry(5))
    sample = ("onboard", "try-mapping", "--mapping", "box.toml", "--topic", f"factory/{SITE}/M2/telemetry", "--json")
    for payload, stdin in (("sample.json", b""), ("-", telemetry(5))):
        answer = await brain(*sample, "--payload", payload, cwd=tmp_path, stdin=stdin)
        assert answer.returncode == 0, answer.stderr
        found = orjson.loads(answer.stdout.splitlines()[-1])
        assert [(entry["raw"], entry["value"], entry["unit"]) for entry in found["readings"]] == [(5000, 5.0, "A")]
        assert found["machines_checked"] is False
    # With machines in the settings, names are checked.
    (tmp_path / "brain.toml").write_text('machines = [{ site = "works", line = "l", machine = "M1" }]')
    answer = await brain(*sample, "--payload", "sample.json", cwd=tmp_path)
    found = orjson.loads(answer.stdout.splitlines()[-1])
    assert ([entry["reason"] for entry in found["rejected"]], found["readings"]) == (["unknown_machine"], [])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--mapping", "box.toml"], 2, "--payload"),
        (["--mapping", "missing.toml", "--payload", "-", "--topic", "a"], 2, "missing.toml"),
        (["--mapping", "box.toml", "--payload", "-"], 2, "--topic"),
        (["--mapping", "box.toml", "--url", "http://x"], 2, "mqtt://"),
        (["--mapping", "box.toml", "--payload", "missing.json", "--topic", "a"], 1, "missing.json"),
        (["--mapping", "box.toml", "--payload", "-", "--topic", "a/b"], 1, "pattern"),
        (["--mapping", "wrong.toml", "--payload", "-", "--topic", "a"], 1, "values.0.path"),
        (["--mapping", "box.toml", "--url", "mqtt://127.0.0.1:1", "--seconds", "1"], 1, "check address"),
    ],
)
async def test_wrong_use_and_failure_say_what_to_do(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "box.toml").write_text(MAPPING_FILE)
    (tmp_path / "wrong.toml").write_text(
        'topic = "a/{machine}"\nsite = "x"\nvalues = [{ path = "a[*]", signal = "b" }]'
    )
    answer = await brain("onboard", "try-mapping", *arguments, cwd=tmp_path)
    assert (answer.returncode, words in answer.stderr.decode()) == (code, True), answer.stderr.decode()
    if code == 1:
        assert len(answer.stderr.decode().strip().splitlines()) == 1


async def test_listening_in_vain_is_a_failure(mosquitto: EmbeddedBroker, tmp_path: Path) -> None:
    (tmp_path / "box.toml").write_text(MAPPING_FILE)
    answer = await brain(
        "onboard", "try-mapping", "--mapping", "box.toml", "--url", mosquitto.url, "--seconds", "1", cwd=tmp_path
    )
    assert (answer.returncode, b"nothing came on factory/+/+/telemetry" in answer.stderr) == (1, True)
