"""A certificate for our own broker where nobody else signs one: a private authority, and what it signs (RFC 5280)."""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from brain.failure import Failure

CERTIFICATE, KEY, AUTHORITY = "broker.pem", "broker.key", "ca.pem"
"""What a broker is given, and what its clients are given; deploy/mosquitto/tls.conf knows the first two."""

_AUTHORITY_VALID = timedelta(days=20 * 365)
# Apple's and others' clients take no server certificate that is longer valid than this.
_BROKER_VALID = timedelta(days=825)
_CLOCKS_DIFFER = timedelta(hours=1)


def make_broker_certificate(authority: Path, folder: Path, hosts: Sequence[str]) -> datetime:
    """Sign a new key for the broker; when its certificate ends. The authority is made where there is none.

    authority: folder of the authority's key, which no broker needs to see
    folder: where broker and clients find ``broker.pem``, ``broker.key`` (for owner and group) and ``ca.pem``
    hosts: names and addresses under which clients reach the broker

    Raises :class:`Failure` where files are there that this authority did not make, ``OSError``.
    """
    now = datetime.now(UTC)
    key, certificate = _authority(authority, now)
    for name, issuer in ((CERTIFICATE, certificate.subject), (AUTHORITY, certificate.issuer)):
        if (folder / name).is_file() and _issuer(folder / name) != issuer:
            raise Failure(f"{folder / name} was signed by somebody else: have them renew it, or move it away first")
    broker = ec.generate_private_key(ec.SECP256R1())
    signed = (
        _builder(hosts[0], certificate.subject, broker, now, _BROKER_VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_name_of(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / AUTHORITY, certificate.public_bytes(Encoding.PEM), 0o644)
    _write(folder / KEY, _pem(broker), 0o640)
    # Last: a broker that watches this file then finds its key.
    _write(folder / CERTIFICATE, signed.public_bytes(Encoding.PEM), 0o644)
    return signed.not_valid_after_utc


def _authority(folder: Path, now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, certificate_file = folder / "key.pem", folder / AUTHORITY
    if key_file.is_file() and certificate_file.is_file():
        try:
            known = load_pem_private_key(key_file.read_bytes(), None)
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        except ValueError as problem:
            raise Failure(f"{folder} holds no authority that can be read ({problem}): bring it back") from problem
        assert isinstance(known, ec.EllipticCurvePrivateKey)
        return known, certificate
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own each time: two authorities must not be taken for one.
    name = f"Industry Brain authority {os.urandom(4).hex()}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, subject, key, now, _AUTHORITY_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(key_file, _pem(key), 0o600)
    _write(certificate_file, certificate.public_bytes(Encoding.PEM), 0o644)
    return key, certificate


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + valid)
    )


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as problem:
        raise Failure(f"{host!r} is neither an address nor a name in ASCII") from problem


def _issuer(path: Path) -> x509.Name | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).issuer
    except ValueError:
        return None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask takes off
        file.write(content)
    scratch.replace(path)
