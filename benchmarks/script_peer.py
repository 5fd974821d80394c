"""What many write first: paho-mqtt takes messages in, asyncpg's executemany puts rows in. A peer of the comparison."""

import asyncio
import sys
import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

SIGNALS = """
select site.key as site, machine.code, signal.key, signal.id
from signal join machine on machine.id = signal.machine_id join site on site.id = machine.site_id
"""
INSERT = "insert into reading values ($1, $2, $3, 0) on conflict do nothing"
_BATCH = 5000
_WAIT_S = 0.2


async def main(broker: str, database: str) -> None:
    """Run until killed."""
    connection = await asyncpg.connect(database)
    ids = {
        (f"ib/v1/{row['site']}/{row['code']}/readings", row["key"]): row["id"]
        for row in await connection.fetch(SIGNALS)
    }
    rows: list[tuple[datetime, int, float]] = []
    lock = threading.Lock()

    def on_message(_client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        content = orjson.loads(message.payload)
        moment = datetime.fromtimestamp(content["time"] / 1000, UTC)
        found = [(moment, ids[message.topic, key], float(value)) for key, value in content["values"].items()]
        with lock:
            rows.extend(found)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="script", protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = on_message
    client.on_connect = lambda *_: client.subscribe("ib/v1/+/+/readings", qos=1) and None
    client.on_subscribe = lambda *_: sys.stdout.write("ready\n") and sys.stdout.flush()
    parts = urlsplit(broker)
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    while True:
        if len(rows) < _BATCH:
            await asyncio.sleep(_WAIT_S)
        with lock:
            batch = rows[:_BATCH]
            del rows[:_BATCH]
        if batch:
            await connection.executemany(INSERT, batch)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
