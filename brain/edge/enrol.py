"""A gateway's part of its enrolment: the token goes out, the credential comes back and is kept."""

import ipaddress
import ssl
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from brain.edge.link import Credential
from brain.failure import Failure
from collectors import is_mqtt_url, targets

_PATIENCE_S = 20.0
_MOST_BYTES = 1 << 20


def enrol(url: str, token: str, name: str, ca_file: Path | None, *, plain: bool) -> Credential:
    """Exchange a token for a credential. Raises :class:`Failure` saying what to do. Blocks.

    ca_file: certificates to trust at ``url``; None for those of the system
    plain: allow http:// to another host; token and password then pass in the clear
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure(f"{url!r} must look like https://address:port")
    if parts.scheme == "http" and not plain and not _is_this_host(parts.hostname):
        raise Failure(
            f"{url} is not encrypted, and a credential would pass in the clear: use https://, or --plain on a line "
            "that you trust"
        )
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        context = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        status, reason, content = _post(parts.hostname, port, context, {"token": token, "name": name})
    except (OSError, HTTPException) as problem:
        raise Failure(f"{url} cannot be asked ({problem}): check address, network and --ca-file") from problem
    if status != HTTPStatus.OK:
        raise Failure(f"{url} does not enrol this gateway: {_detail(content) or f'{status} {reason}'}")
    try:
        found = msgspec.json.decode(content, type=Credential)
    except msgspec.DecodeError as problem:
        raise Failure(f"{url} does not answer as Industry Brain does ({problem}): check the address") from problem
    if not is_mqtt_url(found.broker_url):
        raise Failure(f"{url} names {found.broker_url!r} as broker, which is none: check [gateways] broker_url there")
    return msgspec.structs.replace(found, cloud_url=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def _is_this_host(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _post(host: str, port: int, context: ssl.SSLContext | None, body: object) -> tuple[int, str, bytes]:
    """(status, reason, content); by no proxy, and to no other place that an answer names."""
    connected = targets().connect(host, port, _PATIENCE_S)
    try:
        connected = context.wrap_socket(connected, server_hostname=host) if context else connected
        connection = HTTPConnection(host, port)
        connection.sock = connected
        connection.request(
            "POST", "/api/v1/edge/enrolment", msgspec.json.encode(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, answer.reason, answer.read(_MOST_BYTES)
    finally:
        connected.close()


def _detail(content: bytes) -> str:
    """The sentence of a problem document, where it is one."""
    try:
        return str(msgspec.json.decode(content)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
