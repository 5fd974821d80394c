"""The way to a broker, a server or the cloud: name, port, certificate, log-in."""

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from brain.doctor.answer import REACH_S, Answer, clock_answer
from brain.services.sources import now_us
from collectors import (
    Certificate,
    CertificateStore,
    OpcUaSource,
    SessionOptions,
    Tls,
    connect,
    probe_opcua,
    targets,
)

_PORTS = {"mqtt": 1883, "mqtts": 8883, "opc.tcp": 4840, "http": 80, "https": 443}
_CERTIFICATE_FIX = "have it renewed by whoever runs the server; a client that checks it will refuse it from that day on"


async def way(what: str, url: str) -> AsyncIterator[Answer]:
    """Whether a name resolves and a port takes connections; over TLS, until when its certificate is valid."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    try:
        addresses = await asyncio.to_thread(targets().addresses, host, port)
    except OSError as problem:
        fix = "check the spelling and this host's name servers, or give the address itself"
        yield Answer(f"name: {what}", "problem", f"{host} does not resolve: {_words(problem)}", fix)
        return
    if list(addresses) != [host]:
        yield Answer(f"name: {what}", "ok", f"{host} is {', '.join(addresses)}")
    address, problems = "", []
    for address in addresses:
        try:
            async with asyncio.timeout(REACH_S):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as problem:
            problems.append(_words(problem))
        else:
            writer.close()
            break
    else:
        fix = "check address, port, cable and firewall; is the device switched on?"
        yield Answer(f"port: {what}", "problem", f"{host}:{port} cannot be reached: {'; '.join(problems)}", fix)
        return
    yield Answer(f"port: {what}", "ok", f"{host}:{port} takes connections")
    if parts.scheme in ("mqtts", "https"):
        yield await _certificate(what, host, address, port)


async def _certificate(what: str, host: str, address: str, port: int) -> Answer:
    # Only looked at: whether it is trusted shows when we log in.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        certificate = Certificate.of(der or b"")
    except (OSError, TimeoutError, ValueError) as problem:
        fix = "is TLS what listens there? mqtts:// and https:// need it"
        return Answer(f"certificate: {what}", "problem", f"none could be read: {_words(problem)}", fix)
    now = datetime.now(UTC)
    warning = certificate.expiry_warning(f"that of {certificate.subject!r}", now)
    if warning:
        return Answer(
            f"certificate: {what}", "problem" if now >= certificate.expires else "warning", warning, _CERTIFICATE_FIX
        )
    return Answer(f"certificate: {what}", "ok", f"{certificate.subject!r}, valid until {certificate.expires:%Y-%m-%d}")


async def trusted(what: str, url: str, tls: Tls) -> Answer:
    """Whether a client that trusts what ``tls`` names would take the certificate that is shown at an address."""
    parts = urlsplit(url)
    check = f"trust: {what}"
    try:
        context = tls.context()
        async with asyncio.timeout(REACH_S):
            host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        writer.transport.abort()
    except ssl.SSLCertVerificationError as problem:
        fix = "its names must hold this address, and who signed it must be in the file of trusted certificates"
        return Answer(check, "problem", f"the certificate would be refused: {problem.verify_message}", fix)
    except (OSError, TimeoutError) as problem:
        return Answer(check, "problem", _words(problem), "is TLS what listens there?")
    return Answer(check, "ok", "clients take the certificate")


async def broker_log_in(what: str, url: str, options: SessionOptions) -> Answer:
    """Connect as the collector does, under another client id, so that the one at work is left alone."""
    transient = SessionOptions(f"{options.client_id}-doctor-{secrets.token_hex(3)}", tls=options.tls)
    try:
        connection = await asyncio.to_thread(connect, url, transient)
    except OSError as problem:
        fix = "check user, password and certificates in the settings, and the account at the broker"
        return Answer(f"log-in: {what}", "problem", str(problem), fix)
    protocol = connection.protocol.name.removeprefix("MQTT")
    await asyncio.to_thread(connection.close)
    return Answer(f"log-in: {what}", "ok", f"the broker takes us, with MQTT {protocol}")


async def opcua_log_in(source: OpcUaSource, certificates: CertificateStore) -> AsyncIterator[Answer]:
    """Open a session as the collector does, and look at the server's clock."""
    check = f"log-in: {source.name}"
    try:
        found = await probe_opcua(source, certificates, now_us)
    except OSError as problem:
        fix = "check security_policy, user and certificates; `brain collect --once` shows what it then reads"
        yield Answer(check, "problem", str(problem), fix)
        return
    security = "" if source.security_policy == "None" else f", {source.security_policy}"
    who = repr(source.user) if source.user else "certificate" if source.user_certificate_file else "anonymous"
    yield Answer(check, "ok", f"the server takes us ({who}{security})")
    for warning in found.warnings:
        yield Answer(f"certificate: {source.name}", "warning", warning, "have it renewed in time")
    if found.clock_skew_s is not None:
        yield clock_answer(source.name, found.clock_skew_s)


async def web_clock(what: str, url: str, context: ssl.SSLContext | None) -> Answer:
    """The clock of a web server, to the second, by the date that it puts on every answer."""
    before = datetime.now(UTC)
    try:
        said = await asyncio.to_thread(_date_of, url, context)
    except (OSError, HTTPException, ValueError, TypeError) as problem:
        fix = "is it the address of `brain serve`, and does this host trust its certificate?"
        return Answer(f"answer: {what}", "warning", f"{url} does not answer as the cloud does: {_words(problem)}", fix)
    ours = before + (datetime.now(UTC) - before) / 2
    # Dates are cut to the second: half of one is no disagreement.
    return clock_answer(what, (said - ours).total_seconds() + 0.5)


def _date_of(url: str, context: ssl.SSLContext | None) -> datetime:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("not an http address")
    answer: HTTPResponse | HTTPError
    try:
        answer = urlopen(Request(url, method="HEAD"), timeout=REACH_S, context=context)  # noqa: S310
    except HTTPError as refused:
        answer = refused  # also says what time it is
    except URLError as problem:
        raise OSError(problem.reason) from problem
    with contextlib.closing(answer):
        return parsedate_to_datetime(answer.headers["Date"])


def _words(problem: BaseException) -> str:
    return f"{type(problem).__name__} {problem}".strip()
