"""Settings of sources: what cannot work is refused when it is read."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from collectors import MqttSource, OpcUaSource
from collectors.memory import Memory


@pytest.mark.parametrize("url", ["http://x", "opc.tcp://", "x"])
def test_an_opcua_url_must_be_one(url: str) -> None:
    with pytest.raises(ValidationError, match=r"opc\.tcp://address:port"):
        OpcUaSource(name="a", url=url)


@pytest.mark.parametrize("pattern", ["{site}/{machine}", "{plant}/{signal}", "{site}-{machine}/{signal}", ""])
def test_a_pattern_must_say_where_the_signal_is(pattern: str) -> None:
    with pytest.raises(ValidationError):
        OpcUaSource(name="a", url="opc.tcp://x", pattern=pattern)


def test_an_mqtt_url_must_be_one() -> None:
    with pytest.raises(ValidationError, match="mqtt://address:port"):
        MqttSource(name="a", url="localhost:1883")


def test_memory_outlives_the_process_and_survives_damage(tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    memory = Memory(folder, "mqtt", "line 2/old")
    assert memory.load() == {}
    memory.save({"topics": ["a"]})
    assert Memory(folder, "mqtt", "line 2/old").load() == {"topics": ["a"]}
    assert Memory(folder, "opcua", "line 2/old").load() == {}
    next(folder.iterdir()).write_bytes(b'{"topics": [')
    assert memory.load() == {}
