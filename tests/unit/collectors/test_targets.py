"""Addresses that strangers enter: nothing of our own is reached, however it is written and whatever a name says."""

import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from asyncua import Client
from hypothesis import given
from hypothesis import strategies as st

from collectors import SessionOptions, connect
from collectors.opcua_client import offered
from collectors.targets import TargetRefused, Targets, is_public, set_targets

OURS = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("192.0.2.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8"),
]
METADATA = ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"]
PUBLIC = ["8.8.8.8", "1.1.1.1", "114.114.114.114", "2001:4860:4860::8888", "2400:3200::1", "64:ff9b::808:808"]


def cloud(*allowed: str, **names: Sequence[str]) -> Targets:
    """A cloud's policy, with names that mean what the test says."""

    def resolver(host: str, _port: int) -> Sequence[str]:
        return names[host.replace(".", "_").replace("-", "_").lower().rstrip("_")]

    return Targets(restricted=True, allowed=allowed, resolver=resolver if names else None)


@st.composite
def our_addresses(draw: st.DrawFn) -> IPv4Address | IPv6Address:
    network = ip_network(draw(st.sampled_from(OURS)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(our_addresses())
def test_nothing_of_ours_is_public_in_any_dress(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(address)
    if isinstance(address, IPv4Address):
        number = int(address)
        assert not is_public(IPv6Address(0xFFFF_0000_0000 | number)), "mapped"
        assert not is_public(IPv6Address(number)), "compatible"
        assert not is_public(IPv6Address((0x2002 << 112) | (number << 80))), "6to4"
        assert not is_public(IPv6Address((0x64FF9B << 96) | number)), "NAT64"
        assert not is_public(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFF_FFFF))), "Teredo"


@given(our_addresses())
def test_ours_are_refused_as_resolvers_take_them(address: IPv4Address | IPv6Address) -> None:
    number = int(address)
    written = [str(address)]
    if isinstance(address, IPv4Address):
        a, b, c, d = address.packed
        written += [
            str(number),
            hex(number),
            f"0{a:o}.{b}.{c}.{d}",
            f"{a}.{number & 0xFFFFFF}",
            f"0x{a:x}.{b}.0{c:o}.{d}",
        ]
    for text in written:
        with pytest.raises(OSError) as refused:
            cloud().addresses(text, 4840)
        # What the resolver does not take as a number is no name either.
        assert isinstance(refused.value, TargetRefused | socket.gaierror)


@pytest.mark.parametrize(
    "text", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "::ffff:127.0.0.1", "[::1]"[1:4]]
)
def test_known_tricks_reach_the_judge(text: str) -> None:
    with pytest.raises(TargetRefused):
        cloud().addresses(text, 4840)


@pytest.mark.parametrize("text", METADATA)
def test_metadata_services_are_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_anybodys_is_reached(text: str) -> None:
    assert is_public(ip_address(text))
    assert cloud().addresses(text, 4840) == [text]


@given(st.ip_addresses())
def test_a_judgement_is_found_for_any_address(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert not address.is_private
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast


def test_a_name_is_what_it_resolves_to() -> None:
    named = cloud(plc_example=["8.8.8.8"], sly_example=["10.0.0.7"], mixed_example=["8.8.8.8", "127.0.0.1"])
    assert named.addresses("plc.example", 1) == ["8.8.8.8"]
    for name in ("sly.example", "mixed.example"):
        with pytest.raises(TargetRefused, match="allowed_targets"):
            named.addresses(name, 1)


def test_what_is_allowed_by_network_or_name() -> None:
    meant = {"broker": ["10.1.2.3"], "a_plant_example": ["10.9.9.9"], "plant_example": ["10.9.9.9"]}
    assert cloud("10.1.0.0/16", **meant).addresses("broker", 1) == ["10.1.2.3"]
    assert cloud("BROKER", **meant).addresses("broker.", 1) == ["10.1.2.3"]
    assert cloud("*.plant.example", **meant).addresses("a.plant.example", 1) == ["10.9.9.9"]
    for policy in (cloud("10.2.0.0/16", **meant), cloud("broke", **meant), cloud("*.oker", **meant)):
        with pytest.raises(TargetRefused):
            policy.addresses("broker", 1)
    with pytest.raises(TargetRefused):
        cloud("*.plant.example", **meant).addresses("plant.example", 1)
    assert cloud("127.0.0.1").addresses("::ffff:127.0.0.1", 1)


def test_a_name_is_asked_for_once_and_its_address_connected_to() -> None:
    """A name server that answers differently the second time (DNS rebinding) gains nothing."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    with socket.create_server(("127.0.0.1", 0)) as server:
        policy = Targets(restricted=True, allowed=("127.0.0.1",), resolver=rebinding)
        with policy.connect("rebinding.example", server.getsockname()[1], 5.0) as connected:
            assert connected.getpeername() == server.getsockname()
    assert asked == ["rebinding.example"]


# ------------------------------------------------------------------ whoever connects, asks


@pytest.fixture
def in_a_cloud() -> Iterator[socket.socket]:
    """A server on the loopback interface that nobody may reach."""
    set_targets(Targets(restricted=True))
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            yield server
            with pytest.raises(TimeoutError):
                server.accept()
    finally:
        set_targets(Targets())


def test_no_broker_of_ours_is_reached(in_a_cloud: socket.socket) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(OSError, match="not a public address"):
            connect(f"mqtt://{host}:{in_a_cloud.getsockname()[1]}", SessionOptions("a"))


async def test_no_opcua_server_of_ours_is_reached(in_a_cloud: socket.socket) -> None:
    with pytest.raises(OSError, match="not a public address"):
        await offered(f"opc.tcp://127.0.0.1:{in_a_cloud.getsockname()[1]}", 5.0)
    assert hasattr(Client, "connect_socket"), "what we override must be what asyncua calls"
