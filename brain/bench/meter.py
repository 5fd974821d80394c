"""What processes cost: CPU seconds and peak memory of named process trees."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil


@dataclass
class Meter:
    """Watches process trees by name. CPU of children that have ended counts with their parent.

    roots: name -> how to find the root's process id (None while it does not run)
    """

    roots: Mapping[str, Callable[[], int | None]]
    peak_mb: dict[str, float] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)
    _began_at: float = 0.0

    def begin(self) -> None:
        """Count from here."""
        self._began = self._cpu()
        self._began_at = time.monotonic()
        self.peak_mb.clear()

    def sample(self) -> None:
        """Look at the memory; call it every second or so.

        Proportional set size: what processes of a tree share (PostgreSQL's buffers) is counted once.
        """
        for name, find in self.roots.items():
            total = 0.0
            for process in _tree(find()):
                with suppress(psutil.Error, FileNotFoundError, ProcessLookupError):
                    total += process.memory_full_info().pss / 1e6
            self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), total)

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each tree since :meth:`begin`."""
        return {name: used - self._began.get(name, 0.0) for name, used in self._cpu().items()}

    def elapsed_s(self) -> float:
        """Seconds since :meth:`begin`."""
        return time.monotonic() - self._began_at

    def _cpu(self) -> dict[str, float]:
        used = {}
        for name, find in self.roots.items():
            total = 0.0
            for process in _tree(find()):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
            used[name] = total
        return used


def _tree(pid: int | None) -> list[psutil.Process]:
    if pid is None:
        return []
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
