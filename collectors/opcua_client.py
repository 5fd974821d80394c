"""Entering and leaving a server: security and identity."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from asyncua import Client, ua
from asyncua.crypto import security_policies

from collectors.opcua_certificates import Certificate, CertificateStore
from collectors.sources import OpcUaSource
from collectors.targets import targets

_DISCONNECT_S = 3.0
_SESSION_MS = 120_000
_PRODUCT_URI = "urn:industry-brain"
_POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_NO_SECURITY = security_policies.SecurityPolicyNone.URI
_MODES = {"Sign": ua.MessageSecurityMode.Sign, "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt}
_IDENTITY_REFUSED = frozenset(
    {
        ua.StatusCodes.BadIdentityTokenInvalid,
        ua.StatusCodes.BadIdentityTokenRejected,
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadUserSignatureInvalid,
    }
)
_CERTIFICATE_REFUSED = frozenset(
    {
        ua.StatusCodes.BadCertificateChainIncomplete,
        ua.StatusCodes.BadCertificateInvalid,
        ua.StatusCodes.BadCertificateTimeInvalid,
        ua.StatusCodes.BadCertificateUntrusted,
        ua.StatusCodes.BadCertificateUriInvalid,
        ua.StatusCodes.BadCertificateUseNotAllowed,
        ua.StatusCodes.BadSecurityChecksFailed,
    }
)


class ServerRefused(OSError):
    """The server and we do not agree on security or identity; the message says what a person can do."""


class _Client(Client):  # type: ignore[misc]  # asyncua is taken as untyped
    """asyncua's client, which connects to no address that may not be connected to."""

    async def connect_socket(self) -> None:
        """Connect to what the name of the URL means now."""
        host, port = self.server_url.hostname, self.server_url.port
        async with targets().chosen(host, port) as address:
            await self.uaclient.connect_socket(address, port)


async def enter(
    source: OpcUaSource,
    certificates: CertificateStore,
    on_lost: Callable[[Exception], Awaitable[None]] | None = None,
    *,
    name: str = "Industry Brain collector",
) -> Client:
    """A connected client, a fresh one each time: one that lost its connection can hang when connected again.

    Raises :class:`ServerRefused` where security or identity do not fit, saying which file whom must trust,
    ``OSError``, ``TimeoutError`` or ``asyncua.ua.UaError`` where the server does not answer.
    """
    client = _Client(source.url, timeout=source.timeout_s, watchdog_intervall=source.timeout_s)
    client.name = client.description = name
    client.product_uri = _PRODUCT_URI
    client.session_timeout = _SESSION_MS
    client.connection_lost_callback = on_lost
    policy = _POLICIES.get(source.security_policy)
    try:
        async with asyncio.timeout(source.timeout_s * 2):
            if policy is not None or source.user or source.user_certificate_file:
                await _secure(client, source, certificates, policy)
            await client.connect()
    except ua.UaStatusCodeError as problem:
        await leave(client)
        raise _refused(problem, source, certificates) from problem
    except BaseException:
        await leave(client)
        raise
    return client


@contextlib.asynccontextmanager
async def visiting(source: OpcUaSource, certificates: CertificateStore, name: str) -> AsyncIterator[Client]:
    """A client for a look around, and out again. Raises ``OSError`` where the server does not take us."""
    try:
        client = await enter(source, certificates, name=name)
    except ServerRefused:
        raise
    except (OSError, TimeoutError, ua.UaError) as problem:
        raise OSError(f"{source.url} does not take us: {type(problem).__name__}: {problem}".rstrip(": ")) from problem
    try:
        yield client
    finally:
        await leave(client)


async def offered(url: str, timeout_s: float) -> Sequence[Any]:
    """The server's endpoints, asked for without security, as everybody may."""
    client = _Client(url, timeout=timeout_s)
    try:
        async with asyncio.timeout(timeout_s * 2):
            endpoints: Sequence[Any] = await client.connect_and_get_server_endpoints()
            return endpoints
    finally:
        with contextlib.suppress(Exception):
            client.disconnect_socket()


async def leave(client: Client) -> None:
    """Leave the server, within a bound whatever state the client is in."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DISCONNECT_S):
            await client.disconnect()
    with contextlib.suppress(Exception):
        client.disconnect_socket()


def certificate_warnings(client: Client, certificates: CertificateStore, now: datetime) -> list[str]:
    """What expires within 30 days, or has, of the certificates this connection rests on."""
    policy = client.security_policy
    if policy.URI == _NO_SECURITY or not policy.peer_certificate:
        return []
    server = Certificate.of(policy.peer_certificate)
    warnings = (
        certificates.own().expiry_warning(f"our certificate {certificates.own_certificate_file}", now),
        server.expiry_warning(f"the server's certificate {server.file_name}", now),
    )
    return [warning for warning in warnings if warning]


async def _secure(client: Client, source: OpcUaSource, certificates: CertificateStore, policy: Any) -> None:
    endpoint = _chosen(await offered(source.url, source.timeout_s), source, policy)
    token = _token(endpoint, source)
    password_policy = token.SecurityPolicyUri or endpoint.SecurityPolicyUri
    password_in_clear = (
        bool(source.password)
        and password_policy == _NO_SECURITY
        and endpoint.SecurityMode != ua.MessageSecurityMode.SignAndEncrypt
    )
    if password_in_clear and not source.plain_password:
        raise ServerRefused(
            "the password would go over the line unencrypted: set security_policy, or plain_password = true"
        )
    if policy is not None or (source.password and not password_in_clear):
        server = _trusted(endpoint, certificates)
    if policy is not None:
        certificates.own()
        client.application_uri = certificates.application_uri
        await client.set_security(
            policy,
            certificate=certificates.own_certificate_file,
            private_key=certificates.own_key_file,
            server_certificate=server.der,
            mode=_MODES[source.security_mode],
        )
    if source.user:
        client.set_user(source.user)
        client.set_password(source.password)
    if source.user_certificate_file is not None and source.user_key_file is not None:
        try:
            await client.load_client_certificate(str(source.user_certificate_file))
            await client.load_private_key(source.user_key_file)
        except (OSError, ValueError, TypeError) as problem:
            files = f"user_certificate_file {source.user_certificate_file} and user_key_file {source.user_key_file}"
            raise ServerRefused(f"{files} are no certificate and its key: {problem}") from problem


def _chosen(endpoints: Sequence[Any], source: OpcUaSource, policy: Any) -> Any:
    uri = _NO_SECURITY if policy is None else policy.URI
    mode = ua.MessageSecurityMode.None_ if policy is None else _MODES[source.security_mode]
    for endpoint in endpoints:
        if endpoint.SecurityPolicyUri == uri and endpoint.SecurityMode == mode:
            return endpoint
    known = sorted({f"{_short(end.SecurityPolicyUri)}/{end.SecurityMode.name.rstrip('_')}" for end in endpoints})
    wanted = "None" if policy is None else f"{source.security_policy}/{source.security_mode}"
    raise ServerRefused(
        f"the server does not offer {wanted}, but {', '.join(known) or 'nothing'}: "
        "set security_policy and security_mode to one of these"
    )


def _token(endpoint: Any, source: OpcUaSource) -> Any:
    """The identity the server takes that fits the settings (OPC 10000-4, 7.40)."""
    if source.user:
        wanted = ua.UserTokenType.UserName
    elif source.user_certificate_file is not None:
        wanted = ua.UserTokenType.Certificate
    else:
        wanted = ua.UserTokenType.Anonymous
    tokens = endpoint.UserIdentityTokens or ()
    for token in tokens:
        if token.TokenType == wanted:
            return token
    kinds = ", ".join(sorted({token.TokenType.name for token in tokens})) or "nobody"
    raise ServerRefused(f"the server takes {kinds} here, not {wanted.name}: set user or user_certificate_file to fit")


def _trusted(endpoint: Any, certificates: CertificateStore) -> Certificate:
    if not endpoint.ServerCertificate:
        raise ServerRefused("the server shows no certificate: it needs one before it can protect anything")
    try:
        server = Certificate.of(endpoint.ServerCertificate)
    except ValueError as problem:
        raise ServerRefused(f"the server's certificate cannot be read: {problem}") from problem
    if not certificates.trusts(server):
        path = certificates.reject(server)
        raise ServerRefused(
            f"the server's certificate {server.subject!r} is not trusted: compare its SHA-256 fingerprint "
            f"{server.fingerprint} with the one that the server's own screen or its owner tells, then: "
            f"brain onboard trust {path}"
        )
    return server


def _refused(problem: Any, source: OpcUaSource, certificates: CertificateStore) -> Exception:
    """What a status code means for the person who set the source up."""
    if problem.code in _IDENTITY_REFUSED:
        who = f"user {source.user!r}" if source.user else str(source.user_certificate_file or "anonymous log-in")
        return ServerRefused(f"the server refuses {who} ({problem}): check it on the server")
    if problem.code in _CERTIFICATE_REFUSED and source.security_policy != "None":
        return ServerRefused(
            f"the server does not trust our certificate ({problem}): let the server trust "
            f"{certificates.own_certificate_file} (fingerprint {certificates.own().fingerprint}), or look for it "
            "among the certificates it has rejected"
        )
    return problem if isinstance(problem, Exception) else OSError(str(problem))


def _short(uri: str) -> str:
    return uri.rpartition("#")[2].replace("_", "")
