"""What a collector must still know after its process has died: a small JSON file."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import structlog

log = structlog.get_logger()


def remembered_workers(folder: Path, kind: str, source: str) -> list[int]:
    """Numbers of the workers that have remembered something of a source (``<source>@<number>``), ascending."""
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"{kind}-{re.escape(quote(f'{source}@', safe=''))}(\d+)\.json")
    return sorted(int(match[1]) for path in folder.iterdir() if (match := pattern.fullmatch(path.name)))


class Memory:
    """A file of one source in a folder; without a folder nothing outlives the process."""

    def __init__(self, folder: Path | None, kind: str, source: str) -> None:
        self._path = None if folder is None else folder / f"{kind}-{quote(source, safe='')}.json"

    def load(self) -> dict[str, Any]:
        """What :meth:`save` wrote last; empty where there is nothing, or nothing whole."""
        if self._path is None:
            return {}
        try:
            content = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, orjson.JSONDecodeError) as problem:
            log.warning("memory_not_read", path=str(self._path), reason=str(problem))
            return {}
        return content if isinstance(content, dict) else {}

    def save(self, content: dict[str, Any]) -> None:
        """Replace the file in one step, and have it on disk; raises ``OSError``."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._path.with_suffix(".tmp")
        with scratch.open("wb") as file:
            file.write(orjson.dumps(content))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._path)
