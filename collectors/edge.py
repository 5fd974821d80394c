"""Batches of gateways, decoded to columns; see :mod:`collectors.edge_batch` for what they look like."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson
from numpy.typing import NDArray

from collectors.edge_batch import EdgeBatch, EdgeBatchError, decode_edge_batch
from collectors.refusals import OtherMessage, Refusals, printable
from plant import RAW_BYTES, Batch, Origins, Rejected, SignalDirectory, concatenate

EDGE_TOPICS = "ib/v1/+/edge/+/batch"
"""What a collector subscribes to."""

_SHOWN = 100  # readings of a series that is refused


def edge_topic(site: str, gateway: str) -> str:
    """Where a gateway of a site publishes."""
    return f"ib/v1/{site}/edge/{gateway}/batch"


class EdgeDecoder:
    """Gathers batches into one; :meth:`finish` hands it out and begins anew."""

    def __init__(self, source: str, max_payload: int) -> None:
        self._source = source
        self._max_payload = max_payload
        self._start()

    def _start(self) -> None:
        self._batches: list[Batch] = []
        self._addresses: list[bytes] = []
        self._rejected: list[Rejected] = []

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        batch, rejected = concatenate(self._batches), self._rejected
        if len(batch):
            lengths = np.array([len(part) for part in self._batches], np.int64)
            # A reading refused later is shown by itself: a batch is thousands, and no text.
            origins = Origins(np.cumsum(lengths) - lengths, self._addresses, [b""] * len(lengths))
            batch = replace(batch, origins=origins)
        self._start()
        return batch, rejected

    def add(self, message: OtherMessage, directory: SignalDirectory) -> bool:
        """Decode a message; False where its topic is not a gateway's. Never raises, whatever it carries."""
        parts = message.topic.split("/")
        if len(parts) != 6 or parts[:2] != ["ib", "v1"] or parts[3] != "edge" or parts[5] != "batch":
            return False
        site, gateway = parts[2], parts[4]
        known = directory.gateways.get(gateway)
        # Of a gateway that is not ours nothing is kept: it may be another tenant's.
        raw = message.payload if known is not None else b""
        refusals = Refusals(self._source, message.topic, raw, message.length, message.received_at, self._rejected)
        reject = refusals.add
        if known is None:
            reject("unknown_gateway", f"gateway {gateway!r} is not enrolled, or was revoked")
        elif known != site:
            reject("foreign_site", f"gateway {gateway!r} is of site {known!r} and may speak for no other")
        elif message.length > self._max_payload or message.length > len(message.payload):
            reject("too_large", f"at most {self._max_payload:,} bytes are taken")
        else:
            try:
                batch = decode_edge_batch(message.payload)
            except EdgeBatchError as problem:
                reject("bad_batch", f"not a batch of a gateway: {problem}")
            else:
                self._take(batch, site, gateway, message, directory)
        return True

    def _take(
        self, batch: EdgeBatch, site: str, gateway: str, message: OtherMessage, directory: SignalDirectory
    ) -> None:
        ids = np.array([self._id(site, *name, directory) for name in batch.names], np.int64)
        if not (ids >= 0).all():
            self._refuse_unknown(batch, ids, site, message, directory)
        row_ids: NDArray[np.int64] = np.repeat(ids, batch.rows)
        whole = Batch(batch.times, row_ids.astype(np.int32), batch.values, batch.qualities)
        known = whole if (ids >= 0).all() else whole.select(row_ids >= 0)
        if len(known):
            self._batches.append(known)
            self._addresses.append(message.topic.encode())
        for entry in batch.rejected:
            self._rejected.append(
                Rejected(
                    f"{gateway}/{printable(entry.source)}",
                    printable(entry.address),
                    printable(entry.reason),
                    printable(entry.detail),
                    entry.raw[:RAW_BYTES],
                    _moment(entry.received_at, message.received_at),
                )
            )

    def _id(self, site: str, machine: str, signal: str, directory: SignalDirectory) -> int:
        found = directory.signal_id(site, machine, signal)
        return -1 if found is None else found

    def _refuse_unknown(
        self,
        batch: EdgeBatch,
        ids: NDArray[np.int64],
        site: str,
        message: OtherMessage,
        directory: SignalDirectory,
    ) -> None:
        """One entry for each unknown machine or signal, its readings in the native payload."""
        ends = np.cumsum(batch.rows)
        refused: dict[tuple[str, str], list[tuple[str, range]]] = {}
        for place in np.flatnonzero(ids < 0).tolist():
            machine, signal = batch.names[place]
            end = int(ends[place])
            what = signal if directory.machine(site, machine) is not None else ""
            refused.setdefault((machine, what), []).append((signal, range(end - int(batch.rows[place]), end)))
        for (machine, signal), series in refused.items():
            raw = _shown(batch, series)
            refusals = Refusals(self._source, message.topic, raw, len(raw), message.received_at, self._rejected)
            count = f"{sum(len(rows) for _, rows in series):,} readings"
            entry = directory.machine(site, machine)
            if entry is None:
                refusals.add("unknown_machine", f"{count}: machine {machine!r} of site {site!r} is not registered")
            else:
                refusals.add("unknown_signal", f"{count}: {signal!r} is not one of template {entry.template}")


def _shown(batch: EdgeBatch, series: Sequence[tuple[str, range]]) -> bytes:
    """The first readings, as a device would have sent them."""
    rows = [(signal, row) for signal, rows in series for row in rows][:_SHOWN]
    return orjson.dumps(
        [{"time": int(batch.times[row]) / 1000, "values": {signal: float(batch.values[row])}} for signal, row in rows]
    )


def _moment(said: int, received_at: int) -> int:
    """When the gateway says that it received it, unless no table could hold that."""
    return said if 0 < said <= received_at else received_at
