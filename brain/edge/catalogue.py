"""Which number stands for which signal in a gateway's spool: the numbers outlive every change of the settings."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from brain.failure import Failure
from collectors import Memory
from plant import Batch, MachineEntry, MachineSpec, Rejected, SignalDirectory, Sink, template_library


class Catalogue:
    """Names by number, from 1 on. A number is never given twice: the spool may still hold readings of it.

    names: (site, machine, signal) of number ``i + 1``
    """

    def __init__(self, names: Sequence[tuple[str, str, str]], directory: SignalDirectory) -> None:
        self.names = names
        self.directory = directory

    @classmethod
    def load(cls, path: Path, machines: Sequence[MachineSpec]) -> "Catalogue":
        """The numbers in a file, with new ones for signals of machines that it does not know yet.

        Raises :class:`Failure` where the file cannot be read, ``OSError`` where it cannot be written.
        """
        names = _read(path)
        numbers = {name: place + 1 for place, name in enumerate(names)}
        known = len(numbers)
        entries = []
        for machine in machines:
            keys = [signal.key for signal in template_library()[machine.template].signals]
            ids = {key: numbers.setdefault((machine.site, machine.machine, key), len(numbers) + 1) for key in keys}
            entries.append(MachineEntry(machine.site, machine.line, machine.machine, machine.template, ids))
        if len(numbers) > known:
            # On disk before the first reading that is named by it.
            _write(path, list(numbers))
        return cls(list(numbers), SignalDirectory(entries))


def _read(path: Path) -> list[tuple[str, str, str]]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[tuple[str, str, str]])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as problem:
        raise Failure(
            f"{path} is damaged ({problem}): bring it back from a backup, or move it and the spool away together"
        ) from problem


def _write(path: Path, names: Sequence[tuple[str, str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as file:
        file.write(msgspec.json.encode(names))
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


class Newest:
    """Remembers the newest reading of every signal on its way to a sink: a server's history is asked for from there.

    A :class:`plant.Sink`.
    """

    def __init__(self, sink: Sink, catalogue: Catalogue, memory: Memory) -> None:
        self._sink = sink
        self._memory = memory
        self._catalogue = catalogue
        self._times: NDArray[np.int64] = np.zeros(len(catalogue.names) + 1, np.int64)
        known = memory.load().get("newest", [])
        self._times[: len(known)] = known[: len(self._times)]

    def directory(self) -> SignalDirectory:
        """The catalogue's directory with the newest times of before."""
        return SignalDirectory(
            replace(
                entry,
                last_times={
                    key: int(self._times[number]) for key, number in entry.signal_ids.items() if self._times[number]
                },
            )
            for entry in self._catalogue.directory
        )

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """See :meth:`plant.Sink.put`."""
        await self._sink.put(batch, rejected)
        np.maximum.at(self._times, batch.signal_ids, batch.times)

    def save(self) -> None:
        """Keep what is known on disk; raises ``OSError``."""
        self._memory.save({"newest": self._times.tolist()})
