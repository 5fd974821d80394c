"""A ceiling: paho-mqtt that receives and does nothing else. Run as ``python -m brain.bench.bare_receive``."""

import sys
import threading
import time
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

_REPORT_S = 0.1


def main() -> None:
    """Count messages until standard input ends; writes the count ten times a second."""
    parser = ArgumentParser(description="ceiling of `brain bench ingest`")
    parser.add_argument("--url", required=True)
    parts = urlsplit(parser.parse_args().url)
    received = 0

    def count(*_: Any) -> None:
        nonlocal received
        received += 1

    def report() -> None:
        while True:
            sys.stdout.write(f"{received}\n")
            sys.stdout.flush()
            time.sleep(_REPORT_S)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv311)
    client.on_message = count

    def subscribe(*_: Any) -> None:
        client.subscribe("ib/v1/+/+/readings", qos=1)

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: threading.Thread(target=report, daemon=True).start()
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    sys.stdin.read()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
