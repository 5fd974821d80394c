"""Tries a server's log-in, and leaves again: for `brain doctor`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncua import ua

from collectors.opcua import clock_skew_s
from collectors.opcua_certificates import CertificateStore
from collectors.opcua_client import certificate_warnings, enter, leave
from collectors.sources import OpcUaSource


@dataclass(frozen=True, slots=True)
class OpcUaProbe:
    """What a log-in showed; clock_skew_s: how far the server is ahead of us, None where it does not tell."""

    clock_skew_s: float | None
    warnings: Sequence[str]


async def probe_opcua(source: OpcUaSource, certificates: CertificateStore, clock: Callable[[], int]) -> OpcUaProbe:
    """Log in as the settings say; raises ``OSError`` (with what to do) where the server does not take us."""
    try:
        client = await enter(source, certificates, name="Industry Brain doctor")
    except (ua.UaError, TimeoutError) as problem:
        raise OSError(f"{type(problem).__name__} {problem}".strip()) from problem
    try:
        warnings = certificate_warnings(client, certificates, datetime.now(UTC))
        return OpcUaProbe(await clock_skew_s(client, clock), warnings)
    finally:
        await leave(client)
