"""A gateway's part of its enrolment: the token goes out, the credential comes back and is kept."""

import ipaddress
import ssl
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit

import msgspec

from brain.edge.link import Credential
from brain.failure import Failure
from collectors import is_mqtt_url

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
    request = urllib.request.Request(  # noqa: S310
        urljoin(url, "/api/v1/edge/enrolment"),
        msgspec.json.encode({"token": token, "name": name}),
        {"Content-Type": "application/json"},
    )
    try:
        context = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        # Not by a proxy of the environment, and to no other place that an answer names.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect(), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            content = answer.read(_MOST_BYTES)
    except HTTPError as refused:
        raise Failure(f"{url} does not enrol this gateway: {_detail(refused)}") from refused
    except (URLError, OSError, HTTPException) as problem:
        reason = getattr(problem, "reason", problem)
        raise Failure(f"{url} cannot be asked ({reason}): check address, network and --ca-file") from problem
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


def _detail(refused: HTTPError) -> str:
    """The sentence of a problem document, else the status."""
    try:
        return str(msgspec.json.decode(refused.read(_MOST_BYTES))["detail"])
    except (msgspec.DecodeError, KeyError, TypeError, OSError, HTTPException):
        return f"{refused.code} {refused.reason}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
