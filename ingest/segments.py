"""The files of a spool lane: ``<root>/<lane>/<number>.spool``, numbered upward, never reused."""

import os
import re
from contextlib import suppress
from pathlib import Path

SUFFIX = ".spool"
_NAME = re.compile(r"^(\d{16})\.spool$")
_LANE = re.compile(r"^[a-z0-9][a-z0-9_.-]*$")


def lane_directory(root: Path, lane: str) -> Path:
    """Where a lane's segments are; ``ValueError`` for a name that is no plain word."""
    if not _LANE.match(lane):
        raise ValueError(f"spool lane {lane!r} must be of a-z, 0-9, '_', '.', '-'")
    return root / lane


def lanes(root: Path) -> list[str]:
    """Names of all lanes below a spool root."""
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and _LANE.match(entry.name))


def segment_numbers(directory: Path) -> list[int]:
    """Numbers of the segments of a lane, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(int(match[1]) for entry in directory.iterdir() if (match := _NAME.match(entry.name)))


def segment_sizes(directory: Path) -> list[tuple[int, int]]:
    """Numbers of the segments of a lane and their bytes, in no order."""
    found = []
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if match := _NAME.match(entry.name):
                with suppress(FileNotFoundError):  # the writer has just finished with it
                    found.append((int(match[1]), entry.stat().st_size))
    return found


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:016d}{SUFFIX}"


def sync_directory(directory: Path) -> None:
    """Bring the names in it to the disk; raises ``OSError``."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
