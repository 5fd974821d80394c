"""Our simulated plant as a process to be killed: `python simulator.py PORT FILE`.

Every measurement is a line "signal microseconds value" in the file before it is published; what the file holds is
the server's history when it starts again.
"""

import asyncio
import sys
import time
from pathlib import Path

import numpy as np

from plant import MachineSpec
from simulators.opcua_server import PlantServer
from simulators.simulation import SIGNALS, Samples

_MEASURED = ("current_u", "voltage_uv", "winding_temperature", "power")
_PERIOD_S = 0.05


def _samples(moments: list[int], numbers: list[int]) -> Samples:
    column = np.asarray(numbers, float)[:, None]
    return Samples(np.asarray(moments, np.int64), dict.fromkeys(SIGNALS, column), {})


def _moments(file: Path) -> dict[int, int]:
    """Number -> microseconds of what was measured before; a line that was cut short is left out."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    parts = [line.split() for line in lines if line.endswith("\n")]
    return {int(number): int(moment) for _, moment, number in parts}


async def main(port: int, file: Path) -> None:
    """Serve until killed."""
    moments = _moments(file)
    spec = MachineSpec("faults", "line-1", "m00", "m00", "motor")
    async with PlantServer.open(f"opc.tcp://127.0.0.1:{port}/plant", [spec], [0]) as server:
        known = sorted(moments)
        await server.write(_samples([moments[number] for number in known], known))
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        with file.open("a") as log:  # a line at a time
            number = max(moments, default=-1) + 1
            while True:
                now = time.time_ns() // 1000
                log.write("".join(f"{signal} {now} {number}\n" for signal in _MEASURED))
                log.flush()
                await server.write(_samples([now], [number]))
                number += 1
                await asyncio.sleep(_PERIOD_S)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
