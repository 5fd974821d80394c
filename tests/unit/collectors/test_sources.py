"""Settings of sources: what cannot work is refused when it is read."""

from datetime import datetime
from pathlib import Path

import pytest
from asyncua import ua
from pydantic import ValidationError

from collectors import MqttSource, OpcUaNode, OpcUaSource
from collectors.memory import Memory
from collectors.opcua_binding import Binding
from collectors.opcua_rows import Rows
from plant import Conversion


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


@pytest.mark.parametrize("factor", [0, float("nan"), float("inf")])
def test_a_factor_leaves_something_of_the_value(factor: float) -> None:
    with pytest.raises(ValidationError):
        OpcUaNode(node="nsu=u;s=a", site="s", machine="m", signal="current_u", factor=factor)


def test_values_of_a_bound_node_are_converted() -> None:
    rows = Rows("plant")
    binding = Binding(None, "a", "s", "m", "winding_temperature", 7, None, to_signal=Conversion(5 / 9, -160 / 9))
    for value in (212.0, 32, True):
        rows.add(binding, ua.DataValue(ua.Variant(value), SourceTimestamp=datetime(2026, 11, 20)), 0)  # noqa: DTZ001
    assert rows.batch().values == pytest.approx([100.0, 0.0, 5 / 9 - 160 / 9])
    plain = Rows("plant")
    plain.add(Binding(None, "a", "s", "m", "running", 7, None), ua.DataValue(ua.Variant(True)), 10)
    assert plain.batch().values.tolist() == [1.0]
