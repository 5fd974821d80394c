"""A certificate for the broker: gateways that trust the authority go on trusting it when it is renewed."""

import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from brain.broker_certificate import make_broker_certificate
from brain.failure import Failure


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_a_renewed_one_is_of_the_same_authority(tmp_path: Path) -> None:
    authority, folder = tmp_path / "authority", tmp_path / "broker"
    make_broker_certificate(authority, folder, ["broker.example", "192.0.2.7"])
    trusted, first = (folder / "ca.pem").read_bytes(), serial(folder / "broker.pem")
    make_broker_certificate(authority, folder, ["broker.example"])
    assert (folder / "ca.pem").read_bytes() == trusted
    assert serial(folder / "broker.pem") != first
    signed = x509.load_pem_x509_certificate((folder / "broker.pem").read_bytes())
    signed.verify_directly_issued_by(x509.load_pem_x509_certificate(trusted))


def test_names_and_addresses_stand_in_it(tmp_path: Path) -> None:
    make_broker_certificate(tmp_path / "authority", tmp_path, ["broker.example", "192.0.2.7"])
    signed = x509.load_pem_x509_certificate((tmp_path / "broker.pem").read_bytes())
    names = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


def test_keys_are_not_for_everybody_and_fit(tmp_path: Path) -> None:
    make_broker_certificate(tmp_path / "authority", tmp_path / "broker", ["broker.example"])
    assert (tmp_path / "authority" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "broker" / "broker.key").stat().st_mode & 0o777 == 0o640
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker" / "broker.pem", tmp_path / "broker" / "broker.key")


@pytest.mark.parametrize("file", ["broker.pem", "ca.pem"])
def test_what_another_authority_signed_is_left_alone(tmp_path: Path, file: str) -> None:
    make_broker_certificate(tmp_path / "theirs", tmp_path / "broker", ["broker.example"])
    for other in {"broker.pem", "ca.pem", "broker.key"} - {file}:
        (tmp_path / "broker" / other).unlink()
    before = (tmp_path / "broker" / file).read_bytes()
    with pytest.raises(Failure, match="somebody else"):
        make_broker_certificate(tmp_path / "ours", tmp_path / "broker", ["broker.example"])
    assert (tmp_path / "broker" / file).read_bytes() == before


def test_a_name_that_no_certificate_can_hold_is_said(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="neither an address nor a name"):
        make_broker_certificate(tmp_path / "authority", tmp_path, ["büro.example"])


def test_the_command_takes_name_and_folder_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "brain.toml").write_text(
        f'data_dir = "{tmp_path}/data"\n[gateways]\nbroker_url = "mqtts://broker.example:8883"\n'
        f'password_file = "{tmp_path}/broker/passwords"\n'
    )
    command = [sys.executable, "-m", "brain", "--config", str(tmp_path / "brain.toml"), "edge", "certificate", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1])["hosts"] == ["broker.example"]
    assert (tmp_path / "broker" / "broker.pem").is_file()
    assert (tmp_path / "data" / "authority" / "key.pem").is_file()
