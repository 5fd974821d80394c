"""Small files beside a running installation: who runs, where its parts listen, how far each one is."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from brain.failure import Failure


class RunDirectory:
    """``<data_dir>/run``: a lock, ``endpoints.json`` and one status file a service."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "run"

    def prepare(self) -> None:
        """Make the directory; raises :class:`Failure` where that is not allowed."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise Failure(
                f"data directory {self.path.parent} cannot be made: {problem}; name another with --data-dir"
            ) from problem

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the installation for one supervisor; raises :class:`Failure` while another one runs."""
        self.prepare()
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failure(
                    f"another industry brain runs on {self.path.parent}: stop it, or name another --data-dir"
                ) from None
            yield

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace ``<name>.json`` in one step, so that a reader never sees half of it."""
        target = self.path / f"{name}.json"
        scratch = target.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(orjson.dumps(dict(content)))
        scratch.replace(target)

    def read(self, name: str) -> dict[str, Any]:
        """The content of ``<name>.json``; empty where there is none yet."""
        try:
            content: dict[str, Any] = orjson.loads((self.path / f"{name}.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return content

    def remove(self, name: str) -> None:
        """Forget ``<name>.json``."""
        (self.path / f"{name}.json").unlink(missing_ok=True)
