"""OPC UA security against a real server: what is signed, encrypted, trusted and refused, and what is said of it."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import ValidationError

from collectors import Certificate, CertificateStore, OpcUaCollector, OpcUaSource, read_spot

from .conftest import SITE, RecordingSink, directory_of, free_port, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

POLICIES = [ua.SecurityPolicyType.NoSecurity] + [
    getattr(ua.SecurityPolicyType, f"{policy}_{mode}")
    for policy in ("Basic256Sha256", "Aes256Sha256RsaPss")
    for mode in ("Sign", "SignAndEncrypt")
]
PASSWORD = "correct horse"


def wall_clock() -> int:
    """Now [us]."""
    return time.time_ns() // 1000


def made_certificate(folder: Path, name: str, uri: str, days: int = 400) -> tuple[Path, Path]:
    """A self-signed certificate and its key in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    key = generate_private_key()
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = generate_self_signed_app_certificate(key, name, {}, [x509.UniformResourceIdentifier(uri)], usage, days)
    certificate_file, key_file = folder / f"{name}.der", folder / f"{name}.pem"
    certificate_file.write_bytes(made.public_bytes(Encoding.DER))
    key_file.write_bytes(dump_private_key_as_pem(key))
    return certificate_file, key_file


class Doorkeeper:
    """Takes the user li with the right password, and anybody with the right certificate."""

    def __init__(self) -> None:
        self.certificate = b""
        self.anonymous = True
        self.came: list[str] = []

    def get_user(self, _server: Any, username: str | None = None, password: Any = None, certificate: Any = None) -> Any:
        if username == "li" and password == PASSWORD:
            self.came.append("li")
        elif certificate is not None and self.certificate and certificate == self.certificate:
            self.came.append("certificate")
        elif username is None and self.anonymous:
            self.came.append("anonymous")
        else:
            return None
        return User(role=UserRole.User)


class SecuredPlant:
    """A server with one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"opc.tcp://127.0.0.1:{free_port()}/plant"
        self.doorkeeper = Doorkeeper()
        self.certificate_file, self.key_file = made_certificate(folder, "press", "urn:test:press")
        self.trusts: Path | None = None
        self.policies = POLICIES
        self.tokens = [ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Any]:
        """Run; yields the variable current_u of M1."""
        server = Server(user_manager=self.doorkeeper)
        await server.init()
        server.set_endpoint(self.url)
        await server.set_application_uri("urn:test:press")
        server.set_security_policy(self.policies)
        server.set_identity_tokens(self.tokens)
        await server.load_certificate(str(self.certificate_file))
        await server.load_private_key(str(self.key_file))
        if self.trusts is not None:
            store = TrustStore([self.trusts], [])
            await store.load()
            options = CertificateValidatorOptions.TRUSTED | CertificateValidatorOptions.PEER_CLIENT
            server.set_certificate_validator(CertificateValidator(options, store))
        index = await server.register_namespace("urn:test:plant")
        line = await (await server.nodes.objects.add_folder(index, SITE)).add_folder(index, "line-1")
        variable = await (await line.add_folder(index, "M1")).add_variable(index, "current_u", 7.0)
        async with server:
            yield variable


@pytest.fixture
def press(tmp_path: Path) -> SecuredPlant:
    """A server, not started yet."""
    return SecuredPlant(tmp_path / "press")


@pytest.fixture
def store(tmp_path: Path) -> CertificateStore:
    """Our certificates; empty."""
    return CertificateStore(tmp_path / "pki")


def trust_file(store: CertificateStore, path: Path) -> None:
    """As a person does it; the file leaves the rejected ones."""
    store.trust(Certificate.of(path.read_bytes()))
    assert not path.exists()


def source_of(press: SecuredPlant, **options: Any) -> OpcUaSource:
    """Settings for it."""
    return OpcUaSource.model_validate({"name": "press", "url": press.url, "timeout_s": 3, "history": False, **options})


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
async def test_values_come_under_each_policy(
    press: SecuredPlant, store: CertificateStore, sink: RecordingSink, policy: str, mode: str
) -> None:
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    source = source_of(press, security_policy=policy, security_mode=mode, user="li", password=PASSWORD)
    collector = OpcUaCollector(source, lambda: directory_of(["M1"]), sink, wall_clock, store)
    async with press.serving(), running(collector):
        await until(lambda: sink.values(1) == [7.0], "the value")
        assert press.doorkeeper.came == ["li"]
        assert collector.status().warnings == ()


async def test_security_and_identity_are_the_same_after_the_server_came_back(
    press: SecuredPlant, store: CertificateStore, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.opcua._LONGEST_BACKOFF_S", 0.5)
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    press.policies = [ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt]
    press.doorkeeper.anonymous = False
    source = source_of(press, security_policy="Aes256Sha256RsaPss", user="li", password=PASSWORD)
    collector = OpcUaCollector(source, lambda: directory_of(["M1"]), sink, wall_clock, store)
    async with running(collector):
        for value in (1.0, 2.0, 3.0):
            async with press.serving() as variable:
                await until(lambda: collector.status().connected, "a connection")
                await variable.write_value(value)
                await until(lambda wanted=value: wanted in sink.values(1), f"value {value}")  # type: ignore[misc]
            await until(lambda: not collector.status().connected, "the end to be noticed")
    assert press.doorkeeper.came == ["li"] * 3
    assert collector.status().reconnects == 2


async def test_a_server_that_nobody_trusts_is_refused_and_the_way_to_trust_it_told(
    press: SecuredPlant, store: CertificateStore
) -> None:
    source = source_of(press, security_policy="Basic256Sha256")
    theirs = Certificate.of(press.certificate_file.read_bytes())
    async with press.serving():
        with pytest.raises(OSError, match="is not trusted") as refused:
            await read_spot(source, store)
        assert theirs.fingerprint in str(refused.value)
        put_by = Path(str(refused.value).rpartition("brain onboard trust ")[2])
        trust_file(store, put_by)
        assert [reading.value for reading in (await read_spot(source, store)).readings] == [7.0]
        store.distrust(theirs.fingerprint[:10])
        with pytest.raises(OSError, match="is not trusted"):
            await read_spot(source, store)


async def test_another_certificate_at_the_same_address_is_refused(
    press: SecuredPlant, store: CertificateStore, tmp_path: Path
) -> None:
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    press.certificate_file, press.key_file = made_certificate(tmp_path / "intruder", "press", "urn:test:press")
    async with press.serving():
        with pytest.raises(OSError, match="is not trusted"):
            await read_spot(source_of(press, security_policy="Basic256Sha256"), store)


async def test_a_server_that_does_not_trust_us_is_told_which_file_to_trust(
    press: SecuredPlant, store: CertificateStore, tmp_path: Path
) -> None:
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    press.trusts = tmp_path / "what the press trusts"
    certificate_file, _ = made_certificate(tmp_path, "somebody", "urn:somebody")
    press.trusts.mkdir()
    certificate_file.rename(press.trusts / certificate_file.name)
    source = source_of(press, security_policy="Basic256Sha256")
    async with press.serving():
        with pytest.raises(OSError, match="does not trust our certificate") as refused:
            await read_spot(source, store)
        assert str(store.own_certificate_file) in str(refused.value)
    (press.trusts / "collector.der").write_bytes(store.own_certificate_file.read_bytes())
    async with press.serving():
        assert len((await read_spot(source, store)).readings) == 1


@pytest.mark.parametrize(("password", "told"), [(PASSWORD, ""), ("wrong", "refuses user 'li'")])
async def test_user_names(press: SecuredPlant, store: CertificateStore, password: str, told: str) -> None:
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    press.doorkeeper.anonymous = False
    source = source_of(press, security_policy="Basic256Sha256", user="li", password=password)
    async with press.serving():
        if told:
            with pytest.raises(OSError, match=told):
                await read_spot(source, store)
        else:
            assert len((await read_spot(source, store)).readings) == 1


async def test_log_in_by_certificate(press: SecuredPlant, store: CertificateStore, tmp_path: Path) -> None:
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    press.doorkeeper.anonymous = False
    certificate_file, key_file = made_certificate(tmp_path / "li", "li", "urn:li")
    press.doorkeeper.certificate = certificate_file.read_bytes()
    source = source_of(
        press, security_policy="Basic256Sha256", user_certificate_file=certificate_file, user_key_file=key_file
    )
    async with press.serving():
        assert len((await read_spot(source, store)).readings) == 1
        assert press.doorkeeper.came == ["certificate"]
        press.doorkeeper.certificate = b"another"
        with pytest.raises(OSError, match="refuses"):
            await read_spot(source, store)


async def test_a_password_never_goes_over_an_open_line_unless_allowed(
    press: SecuredPlant, store: CertificateStore
) -> None:
    press.policies = [ua.SecurityPolicyType.NoSecurity]
    async with press.serving():
        with pytest.raises(OSError, match="unencrypted"):
            await read_spot(source_of(press, user="li", password=PASSWORD), store)
        assert press.doorkeeper.came == []
        await read_spot(source_of(press, user="li", password=PASSWORD, plain_password=True), store)
        assert press.doorkeeper.came == ["li"]


async def test_what_the_server_offers_instead_is_told(press: SecuredPlant, store: CertificateStore) -> None:
    press.policies = [ua.SecurityPolicyType.Basic256Sha256_Sign]
    press.tokens = [ua.UserNameIdentityToken]
    async with press.serving():
        with pytest.raises(OSError, match=r"does not offer Aes256Sha256RsaPss/SignAndEncrypt, but Basic256Sha256/Sign"):
            await read_spot(source_of(press, security_policy="Aes256Sha256RsaPss"), store)
        with pytest.raises(OSError, match="takes UserName here, not Anonymous"):
            await read_spot(source_of(press, security_policy="Basic256Sha256", security_mode="Sign"), store)


async def test_expiry_is_warned_of_thirty_days_ahead(
    press: SecuredPlant, store: CertificateStore, sink: RecordingSink
) -> None:
    press.certificate_file, press.key_file = made_certificate(press.folder, "old", "urn:test:press", days=29)
    store.trust(Certificate.of(press.certificate_file.read_bytes()))
    source = source_of(press, security_policy="Basic256Sha256")
    collector = OpcUaCollector(source, lambda: directory_of(["M1"]), sink, wall_clock, store)
    async with press.serving(), running(collector):
        await until(lambda: bool(collector.status().warnings) and sink.values(1) == [7.0], "a warning, and the value")
    assert "expires on" in collector.status().warnings[0]
    assert press.certificate_file.stem in collector.status().warnings[0]


def test_a_warning_begins_at_thirty_days(press: SecuredPlant) -> None:
    certificate = Certificate.of(press.certificate_file.read_bytes())
    days = timedelta(days=1)
    assert certificate.expiry_warning("it", certificate.expires - 30 * days - timedelta(seconds=1)) == ""
    assert "in 30 days" in certificate.expiry_warning("it", certificate.expires - 30 * days)
    assert "expired on" in certificate.expiry_warning("it", certificate.expires)


def test_our_certificate_is_made_once_and_its_key_is_ours_alone(store: CertificateStore) -> None:
    ours = store.own()
    assert store.own() == ours
    assert store.own_key_file.stat().st_mode & 0o077 == 0
    assert ours.expires > datetime.now(UTC) + timedelta(days=365)
    renewed = store.renew()
    assert renewed.fingerprint != ours.fingerprint
    assert store.own() == renewed


def test_a_trust_list_takes_pem_and_passes_over_what_is_no_certificate(
    store: CertificateStore, press: SecuredPlant, tmp_path: Path
) -> None:
    theirs = Certificate.of(press.certificate_file.read_bytes())
    folder = store.trust(theirs).parent
    for path in folder.iterdir():
        path.unlink()
    (folder / "README").write_text("certificates of the press shop")
    pem = x509.load_der_x509_certificate(theirs.der).public_bytes(Encoding.PEM)
    (folder / "press.crt").write_bytes(pem)
    assert store.trusts(theirs)
    chain = theirs.der + store.own().der
    assert Certificate.of(chain) == theirs, "the first of a chain"


@pytest.mark.parametrize(
    "options",
    [
        {"user": "li", "user_certificate_file": "a", "user_key_file": "b"},
        {"user_certificate_file": "a"},
        {"password": "x"},
        {"url": "opc.tcp://li:secret@127.0.0.1:4840"},
        {"nodes": [{"node": "ns=2;s=x", "site": "s", "machine": "m", "signal": "current_u"}]},
    ],
)
def test_settings_that_contradict_themselves_are_refused(press: SecuredPlant, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source_of(press, **options)


async def brain(*words: str, answer: str = "") -> tuple[int, str]:
    """The command, as a person calls it; exit code and everything it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "brain", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate(answer.encode())
    return process.returncode or 0, printed.decode()


async def test_the_command_trusts_what_a_person_confirms(press: SecuredPlant, tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    theirs = Certificate.of(press.certificate_file.read_bytes())
    async with press.serving():
        assert (await brain("onboard", "trust", press.url, *where, answer="n\n"))[0] == 1
        assert "no certificate is trusted" in (await brain("onboard", "trust", *where))[1]
        code, printed = await brain("onboard", "trust", press.url, "--fingerprint", "ab:cd", *where)
        assert (code, "do not trust it" in printed) == (1, True)
        code, printed = await brain("onboard", "trust", press.url, *where, "--json", answer="y\n")
        assert (code, theirs.fingerprint in printed) == (0, True)
    code, printed = await brain("onboard", "trust", *where, "--json")
    assert [item["fingerprint"] for item in json.loads(printed.splitlines()[-1])["items"]] == [theirs.fingerprint]
    code, printed = await brain("onboard", "certificate", *where)
    assert (code, str(tmp_path / "pki" / "own" / "certificate.der") in printed) == (0, True)
    assert (await brain("onboard", "trust", "--remove", theirs.fingerprint[:8], *where))[0] == 0
    assert (await brain("onboard", "trust", "--remove", theirs.fingerprint[:8], *where))[0] == 1
