"""Which addresses may be connected to, where people who are not trusted enter them.

In a cloud, whoever enters the address of a server could make us knock at our own doors: the loopback interface, the
network behind us, the metadata service of the host. So a name is resolved once, what it means is judged, and exactly
that address is connected to; a name that means something else a moment later gains nothing.

The policy is the process's, set once when its settings are read: a new collector cannot forget to ask for it.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]

_RESOLVE_S = 5.0
_AT_ONCE = 4
_TURN_S = 30.0
_LOOK_S = 0.05
# Services of cloud providers that stand at addresses which look public (Azure, Oracle).
_METADATA = frozenset({ip_address("168.63.129.16"), ip_address("192.0.0.192")})
_NAT64 = IPv6Network("64:ff9b::/96")  # IPv4 inside of IPv6, as networks without IPv4 reach it (RFC 6052)


class TargetRefused(OSError):
    """The address may not be connected to; the message says which setting would allow it."""


def is_public(address: Address) -> bool:
    """Whether an address is anybody's: not of this host, its network, its provider, and hiding no such one.

    >>> is_public(ip_address("::ffff:127.0.0.1")), is_public(ip_address("8.8.8.8"))
    (False, True)
    """
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.sixtofour is not None and not is_public(address.sixtofour):
            return False
    elsewhere = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not elsewhere and address not in _METADATA


@dataclass(frozen=True)
class Targets:
    """A policy.

    restricted: whether anything is refused at all
    allowed: networks (``10.1.0.0/16``), addresses and names (``broker``, ``*.plant.example``) that are allowed though
        they are not public
    resolver: addresses of a name, raises ``OSError``; None for that of the system
    """

    restricted: bool = False
    allowed: Sequence[str] = ()
    resolver: Resolver | None = None

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """What a name means, all of it allowed. Raises :class:`TargetRefused`, or ``OSError`` for no name. Blocks."""
        found = list(dict.fromkeys((self.resolver or resolved)(host, port)))
        if not found:
            raise OSError(f"{host} has no address")
        if self.restricted and not self._is_allowed_name(host):
            for text in found:
                # One that is refused among others that are not is no accident: none is taken.
                if not self._is_allowed(ip_address(text)):
                    raise TargetRefused(
                        f"{host} means {text}, which is not a public address: in a cloud such are refused unless "
                        "allowed_targets names them"
                    )
        return found

    def _is_allowed_name(self, host: str) -> bool:
        name = host.rstrip(".").lower()
        return any(
            name == entry.lower() or (entry.startswith("*.") and name.endswith(entry[1:].lower()))
            for entry in self.allowed
            if not _is_network(entry)
        )

    def _is_allowed(self, address: Address) -> bool:
        if is_public(address):
            return True
        plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
        if isinstance(plain, IPv6Address) and plain.scope_id:
            plain = IPv6Address(int(plain))
        return any(plain in ip_network(entry, strict=False) for entry in self.allowed if _is_network(entry))

    def connect(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection to one of the addresses of a name. Raises as :meth:`addresses`, or ``OSError``. Blocks."""
        if not self.restricted:
            return socket.create_connection((host, port), timeout_s)
        if not _turns.acquire(timeout=_TURN_S):
            raise TimeoutError(f"{host}: too many others are being connected to")
        try:
            problem = OSError(f"{host} has no address")
            for address in self.addresses(host, port):
                try:
                    return socket.create_connection((address, port), timeout_s)
                except OSError as one:
                    problem = one
            raise problem
        finally:
            _turns.release()

    @asynccontextmanager
    async def chosen(self, host: str, port: int) -> AsyncIterator[str]:
        """An address to connect to inside of this; the name itself where nothing is restricted.

        Raises as :meth:`addresses`.
        """
        if not self.restricted:
            yield host
            return
        async with asyncio.timeout(_TURN_S):
            while not _turns.acquire(blocking=False):
                await asyncio.sleep(_LOOK_S)
        try:
            yield (await asyncio.to_thread(self.addresses, host, port))[0]
        finally:
            _turns.release()


_turns = threading.BoundedSemaphore(_AT_ONCE)
_resolving = ThreadPoolExecutor(_AT_ONCE, "resolve")


def resolved(host: str, port: int) -> Sequence[str]:
    """Addresses of a name, or of a number as resolvers take it (``127.1``, ``0x7f000001``), within five seconds."""
    asked = _resolving.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        return [str(entry[4][0]) for entry in asked.result(_RESOLVE_S)]
    except NoAnswer:
        asked.cancel()
        raise OSError(f"{host} was not resolved within {_RESOLVE_S:.0f} s") from None
    except UnicodeError as problem:
        raise OSError(f"{host!r} is no name: {problem}") from problem


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


_policy = [Targets()]


def set_targets(policy: Targets) -> None:
    """What holds in this process from now on."""
    _policy[0] = policy


def targets() -> Targets:
    """What holds in this process."""
    return _policy[0]
