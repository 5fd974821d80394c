"""The broker in pure Python, in a process of its own: ``python -m brain.embedded_amqtt PORT``.

amqtt 0.12 speaks MQTT 3.1.1 and keeps sessions in memory: a client may come and go, but what a killed broker
held is gone (mosquitto writes it to disk).
"""

import asyncio
import signal
import sys

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session


class AcceptAnybody(BaseAuthPlugin):  # type: ignore[misc]
    """Lets anybody in, by the client id he gives.

    amqtt's own plugin for this marks every session as anonymous, and such sessions are thrown away with all
    that waits for them as soon as the client disconnects.
    """

    async def authenticate(self, *, session: Session) -> bool:  # noqa: ARG002
        """Always."""
        return True


async def serve(port: int) -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"brain.embedded_amqtt.AcceptAnybody": {}},
        }
    )
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await broker.start()
    await told.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
