"""The broker in pure Python, in a process of its own: ``python -m brain.embedded_amqtt PORT``.

amqtt 0.12 speaks MQTT 3.1.1 and keeps sessions in memory: a client may come and go, but what a killed broker
held is gone (mosquitto writes it to disk). As it comes it also forgets a message that is not acknowledged
within five seconds or before the connection ends; here it is delivered again, as MQTT 3.1.1, 4.4 asks.
"""

import asyncio
import signal
import sys
from typing import Any

import amqtt.broker
from amqtt.mqtt.constants import QOS_1
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import OUTGOING, Session


class AcceptAnybody(BaseAuthPlugin):  # type: ignore[misc]
    """Lets anybody in, by the client id he gives.

    amqtt's own plugin for this marks every session as anonymous, and such sessions are thrown away with all
    that waits for them as soon as the client disconnects.
    """

    async def authenticate(self, *, session: Session) -> bool:  # noqa: ARG002
        """Always."""
        return True


class PatientHandler(BrokerProtocolHandler):  # type: ignore[misc]
    """A connection of the broker that forgets no message of QoS 1 before it is acknowledged."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deliveries: set[asyncio.Task[None]] = set()

    async def _handle_qos1_message_flow(self, app_message: Any) -> None:
        if app_message.direction != OUTGOING:
            await super()._handle_qos1_message_flow(app_message)
            return
        number, session = app_message.packet_id, self.session
        session.inflight_out[number] = app_message
        packet = app_message.build_publish_packet(dup=app_message.publish_packet is not None)
        app_message.publish_packet = packet
        acknowledged: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._puback_waiters[number] = acknowledged
        try:
            await self._send_packet(packet)
            # Cancelled when the connection ends; then the session still has the message.
            app_message.puback_packet = await acknowledged
            session.inflight_out.pop(number, None)
        finally:
            self._puback_waiters.pop(number, None)

    async def _retry_deliveries(self) -> None:
        """Deliver again, oldest first, without holding up the rest of the connection's start."""
        for message in list(self.session.inflight_out.values()):
            if message.qos == QOS_1:
                task = asyncio.create_task(self._handle_message_flow(message))
                self._deliveries.add(task)
                task.add_done_callback(self._deliveries.discard)


async def serve(port: int) -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    amqtt.broker.BrokerProtocolHandler = PatientHandler
    broker = amqtt.broker.Broker(
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
