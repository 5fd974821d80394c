"""Which signals miss a period that the server may still have: kept until it is read, over crashes too."""

from collections.abc import Mapping

from collectors.memory import Memory


class Gaps:
    """From when on a signal is not covered, by the signal's name.

    Live readings are stored as soon as a connection stands, so the newest stored reading says nothing about
    the time before it: what is open must be known apart from the data.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        known = memory.load().get("gaps", {})
        self._since: dict[str, int] = {str(name): int(since) for name, since in dict(known).items()}

    def __len__(self) -> int:
        return len(self._since)

    def open(self, since: Mapping[str, int]) -> None:
        """Note gaps; one that is open already keeps its earlier beginning. On disk when this returns."""
        for name, time in since.items():
            self._since[name] = min(time, self._since.get(name, time))
        self.save()

    def since(self, name: str) -> int | None:
        """From when on a signal is not covered [us], or None where it is."""
        return self._since.get(name)

    def advance(self, name: str, time: int) -> None:
        """All up to ``time`` [us] is durable."""
        if name in self._since:
            self._since[name] = max(time, self._since[name])

    def close(self, name: str) -> None:
        """Nothing is missing any more, or nobody has it."""
        self._since.pop(name, None)

    def save(self) -> None:
        """Write to disk; what was advanced or closed since the last time would be read again after a crash."""
        self._memory.save({"gaps": self._since})
