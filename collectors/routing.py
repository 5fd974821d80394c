"""Sends each message of a source where it is understood: native, a gateway's batch, a device's state, mapped JSON."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from collectors.edge import EdgeDecoder
from collectors.mapped import MappedDecoder
from collectors.mqtt_packets import Message
from collectors.native import NativeDecoder
from collectors.presence import Presence
from collectors.refusals import OtherMessage
from collectors.sources import MqttSource
from plant import Batch, Origins, Rejected, SignalDirectory, concatenate


class RoutingDecoder:
    """Gathers messages into one batch; :meth:`finish` hands it out and begins anew.

    Native readings pass as if nothing else were there: only what the native decoder does not know as one of its
    topics is looked at by the others.
    """

    def __init__(self, source: MqttSource) -> None:
        self.presence = Presence(source.name, source.mappings)
        self._edge = EdgeDecoder(source.name, source.max_payload)
        self._mapped = MappedDecoder(source.name, source.max_payload, source.mappings)
        self._native = NativeDecoder(source.name, source.max_payload, self._other)

    def add_all(self, messages: Sequence[Message], received_at: int, directory: SignalDirectory) -> None:
        """Decode messages, oldest first; never raises, whatever devices send.

        received_at: microseconds since the epoch; the time of readings that come without one
        """
        self._native.add_all(messages, received_at, directory)

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected."""
        batch, rejected = self._native.finish()
        edge, edge_rejected = self._edge.finish()
        mapped, mapped_rejected = self._mapped.finish()
        rejected += edge_rejected
        rejected += mapped_rejected
        rejected += self.presence.take_rejected()
        return _joined(_joined(batch, edge), mapped), rejected

    def _other(self, message: OtherMessage, directory: SignalDirectory) -> bool:
        return (
            self._edge.add(message, directory)
            or self.presence.add(message, directory)
            or self._mapped.add(message, directory)
        )


def _joined(first: Batch, second: Batch) -> Batch:
    """Both batches with the origins of both."""
    if not len(first) or first.origins is None:
        return second if len(second) else first
    if not len(second) or second.origins is None:
        return first
    return replace(
        concatenate([first, second]),
        origins=Origins(
            np.concatenate([first.origins.first_rows, second.origins.first_rows + len(first)]),
            [*first.origins.addresses, *second.origins.addresses],
            [*first.origins.payloads, *second.origins.payloads],
        ),
    )
