"""Settings: variables win over the file, wrong keys are named."""

import pytest

from brain.failure import Failure
from brain.settings import load_settings

PLANT = """
port = 8300
[[opcua]]
name = "press"
url = "opc.tcp://127.0.0.1:4840"
[[machines]]
site = "s"
line = "l"
machine = "M1"
template = "motor"
nameplate = { rated_power = 30.0 }
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("BRAIN_CONFIG", "BRAIN_PORT", "BRAIN_DATA_DIR", "BRAIN_DATABASE_URL", "BRAIN_MQTT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_file_beside_is_found_and_variable_wins(tmp_path, monkeypatch):
    (tmp_path / "brain.toml").write_text(PLANT)
    assert load_settings().port == 8300
    assert load_settings().opcua[0].name == "press"
    assert load_settings().machines[0].spec().nameplate == {"rated_power": 30.0}
    monkeypatch.setenv("BRAIN_PORT", "8400")
    assert load_settings().port == 8400
    assert load_settings(port=8500).port == 8500


def test_sources_can_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("BRAIN_MQTT", '[{"name": "hall", "url": "mqtt://127.0.0.1:1883"}]')
    assert load_settings().mqtt[0].url == "mqtt://127.0.0.1:1883"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 8000", "prot"),
        ("port = 99999", "port"),
        ("port = ", "brain.toml"),
        ("[[machines]]\nsite = 's'\nline = 'l'\n", "machines.0.machine"),
    ],
)
def test_wrong_settings_name_the_key(tmp_path, text, said):
    (tmp_path / "brain.toml").write_text(text)
    with pytest.raises(Failure, match=said):
        load_settings()


def test_unknown_template_and_missing_file_say_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "brain.toml").write_text(PLANT.replace('template = "motor"', 'template = "moter"'))
    with pytest.raises(Failure, match="known are"):
        load_settings().machines[0].spec()
    monkeypatch.setenv("BRAIN_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(Failure, match="BRAIN_CONFIG"):
        load_settings()
