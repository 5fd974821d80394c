"""Who we are to OPC UA servers, and which servers we trust (OPC 10000-4, 6.1): files in a folder.

``own/certificate.der`` and ``own/key.pem`` are made on first use. ``trusted/`` holds the certificates of servers a
person has vouched for, DER or PEM, under any name; ``rejected/`` those that asked and were not known.
"""

import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WARN_AHEAD = timedelta(days=30)
_VALID_DAYS = 5 * 365


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person compares: fingerprint is SHA-256 in hex; expires is in UTC."""

    der: bytes
    subject: str
    fingerprint: str
    expires: datetime

    @classmethod
    def of(cls, content: bytes) -> "Certificate":
        """From DER (of a chain the first) or PEM; raises ``ValueError`` where it is neither."""
        if b"-----BEGIN CERTIFICATE" in content:
            certificate = x509.load_pem_x509_certificate(content)
        else:
            certificate = x509.load_der_x509_certificate(_first_of_chain(content))
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return cls(
            certificate.public_bytes(Encoding.DER),
            str(names[0].value) if names else certificate.subject.rfc4514_string(),
            certificate.fingerprint(SHA256()).hex(),
            certificate.not_valid_after_utc,
        )

    @property
    def file_name(self) -> str:
        """Subject and beginning of the fingerprint, as other OPC UA products name their files."""
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', self.subject)[:60]}-{self.fingerprint[:16]}.der"

    def expiry_warning(self, whose: str, now: datetime) -> str:
        """Words from 30 days before the end on; empty until then."""
        if now >= self.expires:
            return f"{whose} expired on {self.expires:%Y-%m-%d}"
        if now >= self.expires - WARN_AHEAD:
            return f"{whose} expires on {self.expires:%Y-%m-%d}, in {(self.expires - now).days} days"
        return ""


class CertificateStore:
    """The folder. Written by one collector, or by a person with ``brain onboard trust``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def own_certificate_file(self) -> Path:
        """The certificate that servers must trust (DER)."""
        return self._folder / "own" / "certificate.der"

    @property
    def own_key_file(self) -> Path:
        """Its private key (PEM), for nobody else to read."""
        return self._folder / "own" / "key.pem"

    @property
    def application_uri(self) -> str:
        """Our name to servers; it stands in the certificate too and must agree."""
        certificate = x509.load_der_x509_certificate(self.own_certificate_file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.UniformResourceIdentifier)[0]

    def own(self) -> Certificate:
        """Our certificate, made with its key where there is none. Raises ``OSError`` where it cannot be."""
        if not (self.own_certificate_file.is_file() and self.own_key_file.is_file()):
            self._make_own()
        try:
            return Certificate.of(self.own_certificate_file.read_bytes())
        except ValueError as problem:
            raise OSError(
                f"{self.own_certificate_file} is no certificate: remove it and its key to have them made anew"
            ) from problem

    def renew(self) -> Certificate:
        """A new key and certificate; the old ones are kept beside them. Every server must trust the new one."""
        if self.own_certificate_file.parent.exists():
            before = self.own().fingerprint[:16]
            self.own_certificate_file.parent.rename(self._folder / f"own-{before}")
        return self.own()

    def trusted(self) -> Sequence[Certificate]:
        """All certificates in the trust list; files that hold none are passed over."""
        return [certificate for _, certificate in self._read("trusted")]

    def trusts(self, certificate: Certificate) -> bool:
        """Whether exactly this certificate is in the trust list."""
        return any(known.der == certificate.der for known in self.trusted())

    def trust(self, certificate: Certificate) -> Path:
        """Put a certificate into the trust list; where it is now."""
        for path, known in self._read("rejected"):
            if known.der == certificate.der:
                path.unlink()
        return self._write("trusted", certificate)

    def distrust(self, fingerprint: str) -> Sequence[Certificate]:
        """Take certificates whose fingerprint begins so out of the trust list."""
        gone = [(path, known) for path, known in self._read("trusted") if known.fingerprint.startswith(fingerprint)]
        for path, _ in gone:
            path.unlink()
        return [known for _, known in gone]

    def reject(self, certificate: Certificate) -> Path:
        """Keep a certificate that is not trusted, for a person to look at; where it is."""
        return self._write("rejected", certificate)

    def _write(self, place: str, certificate: Certificate) -> Path:
        path = self._folder / place / certificate.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(certificate.der)
        scratch.replace(path)
        return path

    def _read(self, place: str) -> Iterator[tuple[Path, Certificate]]:
        folder = self._folder / place
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                yield path, Certificate.of(path.read_bytes())
            except ValueError:
                continue

    def _make_own(self) -> None:
        host = socket.gethostname()
        uri = f"urn:{host}:industry-brain:collector"
        key = generate_private_key()
        certificate = generate_self_signed_app_certificate(
            key,
            "Industry Brain collector",
            {"organizationName": "Industry Brain"},
            [x509.UniformResourceIdentifier(uri), x509.DNSName(host)],
            [ExtendedKeyUsageOID.CLIENT_AUTH],
            _VALID_DAYS,
        )
        target = self.own_certificate_file.parent
        scratch = target.with_name(f"own.{os.getpid()}.tmp")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, mode=0o700)
        (scratch / self.own_certificate_file.name).write_bytes(certificate.public_bytes(Encoding.DER))
        with open(  # an opener: the key must not be readable even for a moment
            scratch / self.own_key_file.name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)
        ) as file:
            file.write(dump_private_key_as_pem(key))
        try:
            scratch.rename(target)
        except OSError:
            # Another worker was quicker, and its pair is as good as ours.
            shutil.rmtree(scratch, ignore_errors=True)
            if not self.own_key_file.is_file():
                raise


def _first_of_chain(content: bytes) -> bytes:
    """The first certificate of DER certificates one after the other (OPC 10000-6, 6.2.3)."""
    if len(content) < 4 or content[0] != 0x30:
        raise ValueError("neither DER nor PEM")
    if content[1] < 0x80:
        return content[: 2 + content[1]]
    octets = content[1] & 0x7F
    return content[: 2 + octets + int.from_bytes(content[2 : 2 + octets], "big")]
