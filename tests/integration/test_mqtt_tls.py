"""MQTT over TLS, with client certificates and passwords, against mosquitto as plants configure it."""

import datetime
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from brain.embedded_broker import free_port
from collectors import MqttCollector, MqttSource

from .conftest import NOW_MS, NOW_US, SITE, RecordingSink, directory_of, message, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DIRECTORY = directory_of(["M1"])
PASSWORD = "a-password-of-the-tests"
CONFIGURATION = """\
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
allow_anonymous false
password_file {passwords}
max_inflight_messages 10000
max_queued_messages 0
{user}
"""


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a directory; every file it writes is in PEM."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def founded(cls, directory: Path) -> "Authority":
        directory.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {directory.name}")])
        certificate = _signed(name, name, key, key, authority=True, address=None)
        authority = cls(directory, key, certificate)
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def file(self) -> Path:
        return self.directory / "ca.pem"

    def issue(self, name: str, address: str | None = None) -> tuple[Path, Path]:
        """(certificate, key) for a name, and for an address where it is a server's."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = _signed(subject, self.certificate.subject, key, self.key, authority=False, address=address)
        certificate, key_file = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
    address: str | None,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


@dataclass(frozen=True)
class Plant:
    """A broker with TLS, its authority, and a device's certificate."""

    url: str
    authority: Authority
    certificate: Path
    key: Path

    def options(self, **changed: object) -> dict[str, object]:
        files = {"ca_file": self.authority.file, "certificate_file": self.certificate, "key_file": self.key}
        return {"url": self.url, **files, **changed}


@pytest.fixture(params=["127.0.0.1", "192.0.2.1"], ids=["its-own-name", "another-name"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plant]:
    """mosquitto that asks for certificate and password; its own certificate is for an address."""
    broker = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    passwd = shutil.which("mosquitto_passwd")
    if broker is None or passwd is None:
        pytest.skip("mosquitto is not installed")
    authority = Authority.founded(tmp_path / "ours")
    certificate, key = authority.issue("broker", request.param)
    passwords = tmp_path / "passwords"
    subprocess.run([passwd, "-b", "-c", str(passwords), "collector", PASSWORD], check=True, capture_output=True)
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        CONFIGURATION.format(
            port=port, ca=authority.file, certificate=certificate, key=key, passwords=passwords, user="user root"
        )
    )
    process = subprocess.Popen([broker, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Plant(f"mqtts://collector:{PASSWORD}@127.0.0.1:{port}", authority, *authority.issue("collector"))
    finally:
        process.terminate()
        process.wait(10)


def collector_at(sink: RecordingSink, **options: object) -> MqttCollector:
    source = MqttSource.model_validate({"name": "mqtt", "client_id": "collector", **options})
    return MqttCollector(source, lambda: DIRECTORY, sink, lambda: NOW_US, None)


def send(plant: Plant, payloads: list[bytes]) -> None:
    """A device with a certificate of its own."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="device")
    context = ssl.create_default_context(cafile=plant.authority.file)
    context.load_cert_chain(*plant.authority.issue("device"))
    client.tls_set_context(context)
    client.username_pw_set("collector", PASSWORD)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", int(plant.url.rpartition(":")[2]))
    client.loop_start()
    sent = [client.publish(f"ib/v1/{SITE}/M1/readings", payload, qos=1) for payload in payloads]
    for each in sent:
        each.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("plant", ["127.0.0.1"], indirect=True)
async def test_readings_arrive_over_tls_however_many(plant: Plant, sink: RecordingSink) -> None:
    collector = collector_at(sink, **plant.options())
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        # Many records of TLS at once: none may be left in the layer between socket and reader.
        send(plant, [message(NOW_MS + 1000 * n, current_u=n) for n in range(5000)])
        await until(lambda: len(sink.values(1)) == 5000, "all readings to arrive")
    assert sink.values(1) == list(range(5000))
    assert PASSWORD not in collector.status().last_error


@pytest.mark.parametrize("plant", ["192.0.2.1"], indirect=True)
async def test_a_broker_under_another_name_is_not_trusted(plant: Plant, sink: RecordingSink) -> None:
    collector = collector_at(sink, **plant.options())
    async with running(collector):
        await until(lambda: "not trusted" in collector.status().last_error, "the certificate to be refused")
        assert "ca_file" in collector.status().last_error
        assert PASSWORD not in collector.status().last_error
    assert sink.rows == []


@pytest.mark.parametrize("plant", ["127.0.0.1"], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("authority", "is not trusted"),
        ("none of ours", "give certificate_file"),
        ("password", "refuses 'collector'"),
        ("file", "certificate_file"),
    ],
)
async def test_what_is_wrong_is_said(plant: Plant, sink: RecordingSink, tmp_path: Path, wrong: str, words: str) -> None:
    changed: dict[str, dict[str, object]] = {
        "authority": {"ca_file": Authority.founded(tmp_path / "theirs").file},
        "none of ours": {"certificate_file": None, "key_file": None},
        "password": {"url": plant.url.replace(PASSWORD, "wrong")},
        "file": {"key_file": plant.authority.issue("other")[1]},
    }
    collector = collector_at(sink, **plant.options(**changed[wrong]))
    async with running(collector):
        await until(lambda: words in collector.status().last_error, f"the collector to say {words!r}")
        assert not collector.status().connected


def test_certificates_without_tls_are_a_mistake() -> None:
    with pytest.raises(ValidationError, match="mqtts://"):
        MqttSource(name="m", url="mqtt://broker", ca_file=Path("ca.pem"))
    with pytest.raises(ValidationError, match="go together"):
        MqttSource(name="m", url="mqtts://broker", key_file=Path("key.pem"))
