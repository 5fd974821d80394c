"""The load of a benchmark: a gateway that publishes for thousands of machines, in a process of its own.

It costs a microsecond or two a message, so that it measures the product and not itself: packets are laid out
once, and before each sending only message identifiers, times and the last digits of values are written into
them. MQTT 3.1.1 over plain sockets (OASIS MQTT 3.1.1, sections 2 and 3), QoS 1.

Run as ``python -m brain.bench.load``; it reads ``{"allow": messages}`` lines and writes ``{"sent": ...}`` lines.
"""

import json
import os
import selectors
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

SITE = "bench"
SIGNALS = (
    "current_u",
    "current_v",
    "current_w",
    "voltage_uv",
    "voltage_vw",
    "voltage_wu",
    "winding_temperature",
    "bearing_temperature_de",
    "vibration_velocity_de",
    "power",
)
SHAPES = {"message": (10, 1), "reading": (1, 1), "gateway": (10, 10)}
"""What a message carries: signals and samples."""

_TIME = b"0000000000000"
_VALUES = {"voltage": b"400.00", "winding_temperature": b"084.00", "bearing": b"055.00", "vibration": b"1.50"}
_WINDOW = 4000
_PIECE = 400
_REPORT_S = 0.2
_REST_S = 0.01
_IDLE_S = 0.002


def machine_code(number: int) -> str:
    """The key of the machine with this number."""
    return f"m{number:05d}"


@dataclass(frozen=True, slots=True)
class Packets:
    """PUBLISH packets of one sample of every machine, one behind the other.

    data: uint8; starts: int64 (n + 1,), where each packet begins; mids: int64 (n,), where its identifier is;
    times: int64 (n, samples), where its times are; digits: int64 (n, values), a digit of each value
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    mids: NDArray[np.int64]
    times: NDArray[np.int64]
    digits: NDArray[np.int64]

    @classmethod
    def of(cls, machines: Sequence[str], shape: str) -> "Packets":
        """Lay out the packets of these machines."""
        signals, samples = SHAPES[shape]
        parts: list[bytes] = []
        starts, mids, times, digits = [0], [], [], []
        for machine in machines:
            topic = f"ib/v1/{SITE}/{machine}/readings".encode()
            for first in range(0, len(SIGNALS), signals):
                payload, time_at, digit_at = _payload(SIGNALS[first : first + signals], samples)
                body = len(topic).to_bytes(2, "big") + topic + b"\0\0" + payload
                head = b"\x32" + _remaining_length(len(body))
                start = starts[-1]
                mids.append(start + len(head) + 2 + len(topic))
                times.append([mids[-1] + 2 + at for at in time_at])
                digits.append([mids[-1] + 2 + at for at in digit_at])
                parts.append(head + body)
                starts.append(start + len(head) + len(body))
        return cls(
            np.frombuffer(b"".join(parts), np.uint8).copy(),
            np.asarray(starts),
            np.asarray(mids),
            np.asarray(times),
            np.asarray(digits),
        )

    def __len__(self) -> int:
        return len(self.mids)

    def piece(self, first: int, last: int, mid: int, now_ms: int, step_ms: int, random: Any) -> memoryview:
        """The bytes of packets first..last, with identifiers from ``mid`` on, measured now, values changed."""
        count = last - first
        identifiers = (mid + np.arange(count) - 1) % 65535 + 1
        self.data[self.mids[first:last]] = identifiers >> 8
        self.data[self.mids[first:last] + 1] = identifiers & 0xFF
        samples = self.times.shape[1]
        for sample in range(samples):
            text = np.frombuffer(str(now_ms - (samples - 1 - sample) * step_ms).encode(), np.uint8)
            self.data[self.times[first:last, sample, None] + np.arange(13)] = text
        self.data[self.digits[first:last]] = random.integers(48, 58, (count, self.digits.shape[1]), np.uint8)
        return self.data.data[self.starts[first] : self.starts[last]]


def _payload(signals: Sequence[str], samples: int) -> tuple[bytes, list[int], list[int]]:
    """A payload, where its times begin, and where the digits are that change."""
    text = b""
    times, digits = [], []
    for sample in range(samples):
        text += (b"[" if samples > 1 and not sample else b"," if sample else b"") + b'{"time":'
        times.append(len(text))
        text += _TIME + b',"values":{'
        for number, signal in enumerate(signals):
            value = next((value for word, value in _VALUES.items() if word in signal), b"12.34").lstrip(b"0")
            text += (b"," if number else b"") + b'"' + signal.encode() + b'":' + value
            digits.append(len(text) - 1)
        text += b"}}"
    return text + (b"]" if samples > 1 else b""), times, digits


def _remaining_length(length: int) -> bytes:
    encoded = b""
    while True:
        length, low = divmod(length, 128)
        encoded += bytes([low | (128 if length else 0)])
        if not length:
            return encoded


class _Gateway:
    """One connection: sends packets, counts acknowledgements."""

    def __init__(self, host: str, port: int, name: str, packets: Packets) -> None:
        self.packets = packets
        self.sent = self.acknowledged = 0
        self.next = 0
        self.measured_at = 0
        self._mid = 1
        self._out = memoryview(b"")
        self._rest = 0
        self.socket = socket.create_connection((host, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = name.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(client).to_bytes(2, "big") + client
        self.socket.sendall(b"\x10" + _remaining_length(len(body)) + body)
        answer = self.socket.recv(4)
        if answer[:2] != b"\x20\x02" or answer[3]:
            raise OSError(f"the broker refuses the load generator: {answer.hex()}")
        self.socket.setblocking(False)

    @property
    def room(self) -> int:
        """Packets that may be given now."""
        return 0 if self._out else _WINDOW - (self.sent - self.acknowledged)

    def give(self, count: int, now_ms: int, step_ms: int, random: Any) -> int:
        """Take up to ``count`` packets to send; how many."""
        last = min(self.next + min(count, self.room, _PIECE), len(self.packets))
        given = last - self.next
        if given <= 0:
            return 0
        self._out = self.packets.piece(self.next, last, self._mid, now_ms, step_ms, random)
        self.next = last % len(self.packets)
        self._mid = (self._mid + given - 1) % 65535 + 1
        self.sent += given
        self.flush()
        return given

    def flush(self) -> None:
        """Send what is left."""
        try:
            while self._out:
                self._out = self._out[self.socket.send(self._out) :]
        except BlockingIOError:
            return

    def hear(self) -> None:
        """Count acknowledgements, four bytes each (3.1.1, 3.4)."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        if not data:
            raise OSError("the broker closed the connection of the load generator")
        self._rest += len(data)
        self.acknowledged += self._rest // 4
        self._rest %= 4


def generate(url: str, machines: int, connections: int, shape: str, rate: float, name: str) -> None:
    """Publish until standard input ends; ``rate`` in messages a second, 0 for as fast as is allowed."""
    parts = urlsplit(url)
    codes = [machine_code(number) for number in range(machines)]
    gateways = [
        _Gateway(
            parts.hostname or "",
            parts.port or 1883,
            f"{name}-{number}",
            Packets.of(codes[number::connections], shape),
        )
        for number in range(connections)
    ]
    random = np.random.default_rng(1)
    samples = SHAPES[shape][1]
    selector = selectors.DefaultSelector()
    for gateway in gateways:
        selector.register(gateway.socket, selectors.EVENT_READ, gateway)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    os.set_blocking(sys.stdin.fileno(), False)
    allowed = 0
    began = reported = time.monotonic()
    running, commands = True, b""
    while running or any(gateway.sent > gateway.acknowledged for gateway in gateways):
        now = time.monotonic()
        due = allowed - sum(gateway.sent for gateway in gateways)
        if rate:
            due = min(due, int(rate * (now - began)) - sum(gateway.sent for gateway in gateways))
        gave = 0
        for gateway in sorted(gateways, key=lambda gateway: gateway.sent):
            gateway.flush()
            if due <= 0 or not running:
                continue
            now_ms = time.time_ns() // 1_000_000
            # A machine measures anew only at a new time: the key of a reading is (signal, time).
            if gateway.next == 0 and now_ms < gateway.measured_at + samples:
                continue
            gateway.measured_at = max(now_ms, gateway.measured_at)
            given = gateway.give(due, gateway.measured_at, 1, random)
            due, gave = due - given, gave + given
        if rate:
            time.sleep(_REST_S)
        for key, _ in selector.select(0 if gave or rate else _IDLE_S):
            if key.data is not None:
                key.data.hear()
                continue
            read = os.read(sys.stdin.fileno(), 4096)
            commands += read
            *lines, commands = commands.split(b"\n")
            if lines:
                allowed = int(json.loads(lines[-1])["allow"])
            if not read:
                running = False
                selector.unregister(sys.stdin)
        if now - reported > _REPORT_S:
            reported = now
            _report(gateways)
    _report(gateways)


def _report(gateways: Sequence[_Gateway]) -> None:
    counts = {
        "sent": sum(gateway.sent for gateway in gateways),
        "acknowledged": sum(gateway.acknowledged for gateway in gateways),
    }
    sys.stdout.write(json.dumps(counts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """The process."""
    parser = ArgumentParser(description="load of `brain bench ingest`")
    parser.add_argument("--url", required=True)
    parser.add_argument("--machines", type=int, required=True)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--shape", choices=SHAPES, default="message")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--name", default="load")
    given = parser.parse_args()
    try:
        generate(given.url, given.machines, given.connections, given.shape, given.rate, given.name)
    except BrokenPipeError:
        # Whoever measures is gone. Python would write what is left once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
