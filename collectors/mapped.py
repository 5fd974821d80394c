"""Foreign JSON, decoded to columns as mappings say; see :mod:`collectors.mapped_reader` for what is taken."""

from collections.abc import Sequence

import numpy as np

from collectors.mapped_reader import MessageReader
from collectors.mapping import Mapping
from collectors.native import parsed
from collectors.refusals import OtherMessage, Refusals
from plant import Batch, Origins, Rejected, SignalDirectory

# Topics that are remembered; devices may send on any.
_MOST_REMEMBERED = 100_000


class MappedDecoder:
    """Gathers mapped messages into one batch; :meth:`finish` hands it out and begins anew."""

    def __init__(self, source: str, max_payload: int, mappings: Sequence[Mapping]) -> None:
        self._source = source
        self._max_payload = max_payload
        self._readers = [MessageReader(mapping) for mapping in mappings if mapping.topic]
        self._routes: dict[str, tuple[MessageReader, dict[str, str]]] = {}
        self._start()

    def _start(self) -> None:
        self._times: list[int] = []
        self._ids: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        # One entry a message that made rows.
        self._first_rows: list[int] = []
        self._addresses: list[bytes] = []
        self._payloads: list[bytes] = []
        self._rejected: list[Rejected] = []

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        origins = Origins(np.asarray(self._first_rows, np.int64), self._addresses, self._payloads)
        batch = Batch.of_lists(self._times, self._ids, self._values, self._qualities, origins if self._ids else None)
        rejected = self._rejected
        self._start()
        return batch, rejected

    def add(self, message: OtherMessage, directory: SignalDirectory) -> bool:
        """Decode a message by the first mapping whose topic it has; False where there is none. Never raises."""
        route = self._routes.get(message.topic)
        if route is None:
            route = self._route(message.topic)
            if route is None:
                return False
            if len(self._routes) < _MOST_REMEMBERED:
                self._routes[message.topic] = route
        self._add(message, *route, directory)
        return True

    def _route(self, topic: str) -> tuple[MessageReader, dict[str, str]] | None:
        for reader in self._readers:
            places = reader.pattern.match(topic)
            if places is not None:
                return reader, places
        return None

    def _add(
        self, message: OtherMessage, reader: MessageReader, places: dict[str, str], directory: SignalDirectory
    ) -> None:
        refusals = Refusals(
            self._source, message.topic, message.payload, message.length, message.received_at, self._rejected
        )
        reject = refusals.add
        if message.length > self._max_payload or message.length > len(message.payload):
            reject("too_large", f"at most {self._max_payload:,} bytes are taken")
            return
        try:
            content = parsed(message.payload)
        except (ValueError, RecursionError) as problem:
            reject("not_json", f"not JSON: {str(problem)[:200]}")
            return
        before = len(self._ids)
        default_time = None if message.retained else message.received_at
        for reading in reader.read(content, places, default_time, directory, reject):
            self._times.append(reading.time)
            self._ids.append(reading.signal_id)
            self._values.append(reading.value)
            self._qualities.append(reading.quality)
        if len(self._ids) > before:
            self._first_rows.append(before)
            self._addresses.append(message.topic.encode())
            self._payloads.append(message.payload)
        refusals.close()
