"""Where a gateway forwards to, who it is, and what it collects."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from brain.edge import Credential, EdgeSettings, link_of
from brain.edge.enrol import enrol
from brain.failure import Failure
from brain.gateways import GatewaySettings, write_accounts
from brain.services.edge import without_gateways
from brain.settings import Settings
from collectors import MqttSource

CREDENTIAL = Credential(
    "gw-1", "works", "mqtts://broker.example:8883", "gw-1", "a/b@c:d", ca="PEM", cloud_url="https://c"
)


def test_a_credential_is_for_its_owner_alone_and_makes_the_link(tmp_path: Path) -> None:
    CREDENTIAL.store(tmp_path)
    assert (tmp_path / "credential.json").stat().st_mode & 0o777 == 0o600
    assert Credential.of(tmp_path) == CREDENTIAL
    link = link_of(EdgeSettings(), tmp_path)
    assert (link.url, link.gateway, link.site) == ("mqtts://gw-1:a%2Fb%40c%3Ad@broker.example:8883", "gw-1", "works")
    assert link.tls.ca_file == tmp_path / "ca.pem"
    assert link.tls.ca_file.read_text() == "PEM"
    assert "a%2F" not in link.shown


def test_settings_come_before_the_credential(tmp_path: Path) -> None:
    CREDENTIAL.store(tmp_path)
    link = link_of(EdgeSettings(url="mqtt://here"), tmp_path)
    assert (link.url, link.gateway, link.site) == ("mqtt://here", "gw-1", "works")


@pytest.mark.parametrize(
    ("settings", "said"),
    [(EdgeSettings(), "brain edge enrol"), (EdgeSettings(url="mqtt://here"), "gateway")],
)
def test_what_is_missing_is_said(settings: EdgeSettings, said: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=said):
        link_of(settings, tmp_path)


def test_a_damaged_credential_is_named(tmp_path: Path) -> None:
    (tmp_path / "credential.json").write_text("{")
    with pytest.raises(Failure, match="enrol anew"):
        Credential.of(tmp_path)


@pytest.mark.parametrize("url", ["http://192.0.2.1", "ftp://cloud", "https://", "http://cloud.example:8000"])
def test_a_token_goes_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(Failure, match=r"https://"):
        enrol(url, "x.y", "", None, plain=False)


def test_a_gateway_leaves_batches_of_gateways_to_the_cloud() -> None:
    settings = Settings(mqtt=[MqttSource(name="hall", url="mqtt://hall")])
    assert without_gateways(settings).mqtt[0].topics == ("ib/v1/+/+/readings",)


def test_a_gateways_names_are_plain() -> None:
    for gateway in ("a/b", "+", "#", "", "a" * 65):
        with pytest.raises(ValidationError):
            EdgeSettings(gateway=gateway)
    with pytest.raises(ValidationError, match="own"):
        GatewaySettings(broker_url="mqtts://user:password@broker")


def test_lines_of_others_are_kept_in_the_password_file(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("brain:$7$1\ngw-0123456789ab:old\n\ngw-hall:a person's\n")
    file.chmod(0o644)
    write_accounts(file, [("gw-ba9876543210", "$7$2")], tmp_path / "no.pid")
    assert file.read_text() == "brain:$7$1\ngw-hall:a person's\ngw-ba9876543210:$7$2\n"
    assert file.stat().st_mode & 0o777 == 0o644
