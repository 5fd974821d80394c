"""The gap ledger: which periods of which signals are missing and may still be had, kept over crashes too."""

from collections.abc import Iterable, Mapping, Sequence

from collectors.memory import Memory

Interval = tuple[int, int]


class Gaps:
    """Missing periods by the signal's name: disjoint intervals, ascending, [us], ends included.

    Live readings are stored as soon as a connection stands, so the newest stored reading says nothing about
    the time before it: what is open must be known apart from the data.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        known = memory.load().get("missing", {})
        self._open: dict[str, list[Interval]] = {
            str(name): [(int(start), int(end)) for start, end in intervals] for name, intervals in dict(known).items()
        }

    def __len__(self) -> int:
        return len(self._open)

    def open(self, missing: Mapping[str, Interval]) -> None:
        """Note periods. On disk when this returns; raises ``OSError``."""
        for name, interval in missing.items():
            self._open[name] = _joined([*self._open.get(name, ()), interval])
        self.save()

    def of(self, name: str) -> Sequence[Interval]:
        """What is missing of a signal."""
        return self._open.get(name, ())

    def newest(self, names: Iterable[str]) -> int | None:
        """The latest missing moment of any of these signals; None where nothing is missing."""
        return max((self._open[name][-1][1] for name in names if name in self._open), default=None)

    def close(self, name: str, start: int, end: int) -> None:
        """All from start to end is durable, or nobody has it. The disk follows with :meth:`save`."""
        left: list[Interval] = []
        for first, last in self._open.get(name, ()):
            if first < start:
                left.append((first, min(last, start - 1)))
            if last > end:
                left.append((max(first, end + 1), last))
        if left:
            self._open[name] = left
        else:
            self._open.pop(name, None)

    def close_all(self, name: str) -> None:
        """Nobody has what is missing."""
        self._open.pop(name, None)

    def save(self) -> None:
        """Write to disk; what was closed since the last time would be read again after a crash."""
        self._memory.save({"missing": self._open})


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    """Overlapping and adjoining intervals as one."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start <= end:
            joined.append((start, end))
    return joined
