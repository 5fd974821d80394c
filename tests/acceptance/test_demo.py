"""The user's job on one machine: `brain demo` finds what the simulator broke, and loses nothing meanwhile."""

import json
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from .conftest import Demo, running_demo

# Two minutes from the first live reading are promised; the rest is for starting and back-filling.
FIRST_READING_S = 240
FLAGGED_S = 120


def _flagged(demo: Demo) -> dict[str, str]:
    """Machine -> failure mode of its most probable open finding."""
    best: dict[str, tuple[float, str]] = {}
    for finding in demo.items("findings", open=True):
        entry = (finding["probability"], finding["failure_mode"])
        best[finding["machine"]] = max(best.get(finding["machine"], (0.0, "")), entry)
    return {machine: mode for machine, (_, mode) in best.items()}


def _wait_until_flagged(demo: Demo) -> dict[str, str]:
    """Wait for exactly the injected machines to be flagged, and to stay so."""
    demo.log_in(FIRST_READING_S)
    truth = demo.truth()
    demo.wait(lambda: _flagged(demo).keys() == truth.keys(), f"findings on exactly {truth}", FLAGGED_S)
    time.sleep(15)
    flagged = _flagged(demo)
    assert flagged.keys() == truth.keys(), f"injected {truth}, flagged {flagged}"
    return flagged


def _check_names_and_order(demo: Demo, flagged: dict[str, str]) -> None:
    truth = demo.truth()
    named = sum(flagged[machine] == mode for machine, mode in truth.items())
    assert named >= 0.9 * len(truth), f"injected {truth}, named {flagged}"
    machines = demo.items("machines", sort="-risk")
    assert {machine["code"] for machine in machines[: len(truth)]} == truth.keys(), "risk list"
    for finding in demo.items("findings", open=True):
        assert finding["evidence"], finding
        assert finding["advice"], finding


def _publish(url: str, messages: list[tuple[str, bytes]]) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    host, port = url.removeprefix("mqtt://").rstrip("/").split(":")
    client.connect(host, int(port))
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


@pytest.mark.timeout(900)
def test_demo_flags_what_is_broken_keeps_bad_input_and_survives_kills(tmp_path: Path) -> None:
    data_dir = tmp_path / "demo"
    with running_demo(data_dir, "--seed", "1") as demo:
        flagged = _wait_until_flagged(demo)
        _check_names_and_order(demo, flagged)

        kpis = demo.get("kpis", group_by="site")
        assert kpis["items"], kpis

        # Bad input: everything is kept with its reason, nothing blocks.
        site, machine = (entry := demo.items("machines")[1])["site"], entry["code"]
        good_topic = f"ib/v1/{site}/{machine}/readings"
        values = {"values": {"power": 1.0}}
        _publish(
            demo.endpoints()["mqtt_url"],
            [
                (good_topic, b'{"values": {"power": '),
                (good_topic, b'{"values": {"power": NaN}}'),
                (f"ib/v1/{site}/no-such-machine/readings", json.dumps(values).encode()),
                (good_topic, json.dumps({"values": {"power": 1.0}, "padding": "x" * 2_000_000}).encode()),
                (good_topic, json.dumps({"time": "1970-01-01T00:00:00Z", **values}).encode()),
                (good_topic, json.dumps({"time": "2100-01-01T00:00:00Z", **values}).encode()),
                (good_topic, b'{"values": {"no_such_signal": 1, "power": "high"}}'),
            ],
        )
        expected = {
            "not_json": 1,
            "unknown_machine": 1,
            "too_large": 1,
            "time_too_old": 1,
            "time_in_future": 1,
            "unknown_signal": 1,
            "not_a_number": 2,
        }

        def reasons() -> dict[str, int]:
            counted: dict[str, int] = {}
            for item in demo.items("quarantine"):
                counted[item["reason"]] = counted.get(item["reason"], 0) + 1
            return counted

        demo.wait(lambda: reasons() == expected, f"quarantine of {expected}", 30)

        # kill -9 of the writer, then of the database under it: both come back by themselves.
        demo.process_of("ingest").kill()
        time.sleep(5)
        writer = demo.process_of("ingest").pid
        postmaster = demo.endpoints()["pids"]["postgres"]
        next(process for process in demo.processes() if process.pid == postmaster).kill()
        demo.wait(lambda: demo.client.get("/readyz").status_code == 200, "the API to be ready again", 60)
        time.sleep(5)
        assert demo.process_of("ingest").pid == writer, "the writer outlives its database"

        counts = demo.stop()
        assert demo.processes() == [], "Ctrl-C leaves no process behind"
    assert counts["sent"] > 20_000
    assert counts == {"sent": counts["sent"], "stored": counts["sent"], "quarantined": 8, "waiting": 0}

    # A second start goes on with the same data, without a second back-fill.
    with running_demo(data_dir, "--seconds", "20") as again:
        again.log_in(60)
        assert _flagged(again).keys() == flagged.keys()
        assert again.process.wait(120) == 0, again.words()
        assert again.processes() == []
        assert "back-filling" not in again.words()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2, 3])
def test_other_plants_are_judged_as_well(tmp_path: Path, seed: int) -> None:
    with running_demo(tmp_path / "demo", "--seed", str(seed), "--seconds", "150") as demo:
        flagged = _wait_until_flagged(demo)
        _check_names_and_order(demo, flagged)
        demo.stop()
