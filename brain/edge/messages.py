"""What a gateway sends: batches in few bytes, or the native payload for a broker that is not ours."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from collectors import EdgeBatch, edge_topic, encode_edge_batch
from ingest import Record
from plant import Batch, Quality, Rejected, concatenate

_Names = Sequence[tuple[str, str, str]]

# Well below what a collector takes (max_payload) and brokers pass on.
_MOST_BYTES = 200_000
_WORDS = {Quality.UNCERTAIN: "uncertain", Quality.BAD: "bad"}
_MOST_KEPT = 32 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish."""

    topic: str
    payload: bytes


class Messages(Protocol):
    """Turns what the spool holds into messages."""

    def of(self, records: Sequence[Record]) -> list[Message]:
        """Everything in these records, readings of one signal in order. Raises ``OSError``. Called in a thread."""
        ...


class BatchMessages:
    """Batches of one gateway (:mod:`collectors.edge_batch`)."""

    def __init__(self, names: _Names, site: str, gateway: str) -> None:
        self._names = names
        self._topic = edge_topic(site, gateway)

    def of(self, records: Sequence[Record]) -> list[Message]:
        """See :class:`Messages`."""
        batch = concatenate([record.batch for record in records])
        rejected = [entry for record in records for entry in record.rejected]
        return [Message(self._topic, payload) for payload in self._payloads(batch, rejected)]

    def _payloads(self, batch: Batch, rejected: Sequence[Rejected]) -> Iterator[bytes]:
        try:
            payload = encode_edge_batch(self._named(batch, rejected))
        except ValueError:
            payload = None
        if payload is not None and len(payload) <= _MOST_BYTES:
            yield payload
        elif len(batch) and rejected:
            yield from self._payloads(batch, [])
            yield from self._payloads(Batch.empty(), rejected)
        else:
            half, half_rejected = len(batch) // 2, len(rejected) // 2
            for rows, entries in (
                (slice(half), rejected[:half_rejected]),
                (slice(half, None), rejected[half_rejected:]),
            ):
                yield from self._payloads(batch.select(np.arange(len(batch))[rows]), entries)

    def _named(self, batch: Batch, rejected: Sequence[Rejected]) -> EdgeBatch:
        order = np.argsort(batch.signal_ids, kind="stable")
        ids, rows = np.unique(batch.signal_ids, return_counts=True)
        names = [self._names[number - 1][1:] for number in ids.tolist()]
        return EdgeBatch(
            names, rows.astype(np.int64), batch.times[order], batch.values[order], batch.qualities[order], rejected
        )


class NativeMessages:
    """Native JSON, one message a machine. It has no place for what was rejected: that is kept in a file here.

    kept: this file; it is begun anew when it reaches 32 MB, and the one before is kept beside it
    """

    def __init__(self, names: _Names, kept: Path) -> None:
        self._names = names
        self._kept = kept

    def of(self, records: Sequence[Record]) -> list[Message]:
        """See :class:`Messages`."""
        self._keep([entry for record in records for entry in record.rejected])
        batch = concatenate([record.batch for record in records])
        machines: dict[tuple[str, str], list[int]] = {}
        for row, number in enumerate(batch.signal_ids.tolist()):
            machines.setdefault(self._names[number - 1][:2], []).append(row)
        return [
            Message(f"ib/v1/{site}/{machine}/readings", payload)
            for (site, machine), rows in machines.items()
            for payload in self._payloads(batch, np.array(rows))
        ]

    def _payloads(self, batch: Batch, rows: NDArray[np.int64]) -> Iterator[bytes]:
        payload = orjson.dumps(self._objects(batch, rows))
        if len(payload) <= _MOST_BYTES or len(rows) == 1:
            yield payload
        else:
            yield from self._payloads(batch, rows[: len(rows) // 2])
            yield from self._payloads(batch, rows[len(rows) // 2 :])

    def _objects(self, batch: Batch, rows: NDArray[np.int64]) -> list[dict[str, object]]:
        """One object a time, or a further one where a signal comes twice at that time."""
        objects: list[dict[str, object]] = []
        newest: dict[int, tuple[dict[str, float | None], dict[str, object]]] = {}
        columns = (batch.times[rows], batch.signal_ids[rows], batch.values[rows], batch.qualities[rows])
        for time, number, value, quality in zip(*(column.tolist() for column in columns), strict=True):
            key = self._names[number - 1][2]
            found = newest.get(time)
            if found is None or key in found[0]:
                values: dict[str, float | None] = {}
                content: dict[str, object] = {"time": time // 1000 if time % 1000 == 0 else time / 1000}
                content["values"] = values
                objects.append(content)
                found = newest[time] = (values, content)
            found[0][key] = None if math.isnan(value) else value
            if quality:
                words = found[1].setdefault("quality", {})
                assert isinstance(words, dict)
                words[key] = _WORDS[Quality(quality)]
        return objects

    def _keep(self, rejected: Sequence[Rejected]) -> None:
        if not rejected:
            return
        if self._kept.is_file() and self._kept.stat().st_size > _MOST_KEPT:
            self._kept.replace(self._kept.with_suffix(".before.jsonl"))
        with self._kept.open("ab") as file:
            file.writelines(msgspec.json.encode(entry) + b"\n" for entry in rejected)
