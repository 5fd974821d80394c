"""An OPC UA server whose values change at a given rate. Run as ``python -m brain.bench.opcua_load``.

asyncua's server costs several times what the collector does for a change, so one collector is loaded by several.
"""

import asyncio
import json
import logging
import sys
import time
from argparse import ArgumentParser
from datetime import UTC, datetime

from asyncua import Server, ua

from brain.bench.load import SIGNALS, SITE, machine_code

_TICK_S = 0.1


async def serve(url: str, first: int, machines: int, rate: float) -> None:
    """Serve machines ``first`` .. ``first + machines`` and change values until standard input ends.

    Changing begins with the first line on standard input; the count of changes is written at the end.
    """
    server = Server()
    await server.init()
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:industry-brain:bench")
    site = await server.nodes.objects.add_folder(index, SITE)
    line = await site.add_folder(index, "line-0")
    nodes = []
    waiting = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
    for number in range(first, first + machines):
        folder = await line.add_folder(index, machine_code(number))
        for signal in SIGNALS:
            node = await folder.add_variable(ua.NodeId(f"{number}.{signal}", index), f"{index}:{signal}", 0.0)
            await node.write_value(waiting)
            nodes.append(node.nodeid)
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop.add_reader(sys.stdin.fileno(), lambda: lines.put_nowait(sys.stdin.readline()))
    changes = 0
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await lines.get()
        began = time.monotonic()
        while lines.empty():
            due = int((time.monotonic() - began) * rate) - changes
            for _ in range(due):
                moment = datetime.now(UTC)
                value = ua.DataValue(
                    ua.Variant(float(changes), ua.VariantType.Double), ua.StatusCode(ua.UInt32(0)), moment, moment
                )
                await server.write_attribute_value(nodes[changes % len(nodes)], value)
                changes += 1
            await asyncio.sleep(_TICK_S)
        await lines.get()
        sys.stdout.write(json.dumps({"changes": changes}) + "\n")
        sys.stdout.flush()
        await lines.get()


def main() -> None:
    """The process."""
    parser = ArgumentParser(description="OPC UA load of `brain bench ingest`")
    parser.add_argument("--url", required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--machines", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # asyncua's server warns of being without security
    asyncio.run(serve(given.url, given.first, given.machines, given.rate))


if __name__ == "__main__":
    main()
