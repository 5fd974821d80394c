"""Foreign JSON, decoded to columns as mappings say; see :mod:`collectors.mapped_reader` for what is taken."""

from collections.abc import Sequence

from collectors.mapped_reader import MessageReader
from collectors.mapping import Mapping
from collectors.message_rows import MessageRows
from collectors.native import parsed
from collectors.refusals import OtherMessage, Refusals
from plant import Batch, Rejected, SignalDirectory

# Topics that are remembered; devices may send on any.
_MOST_REMEMBERED = 100_000


class MappedDecoder:
    """Gathers mapped messages into one batch; :meth:`finish` hands it out and begins anew."""

    def __init__(self, source: str, max_payload: int, mappings: Sequence[Mapping]) -> None:
        self._source = source
        self._max_payload = max_payload
        self._readers = [MessageReader(mapping) for mapping in mappings if mapping.topic]
        self._routes: dict[str, tuple[MessageReader, dict[str, str]]] = {}
        self._rows = MessageRows()
        self._rejected: list[Rejected] = []

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        rejected, self._rejected = self._rejected, []
        return self._rows.take(), rejected

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
        first_row = len(self._rows)
        default_time = None if message.retained else message.received_at
        for reading in reader.read(content, places, default_time, directory, reject):
            self._rows.add(reading.time, reading.signal_id, reading.value, reading.quality)
        self._rows.end_message(first_row, message.topic.encode(), message.payload)
        refusals.close()
