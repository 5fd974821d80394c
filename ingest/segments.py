"""The files of a spool lane: ``<root>/<lane>/<number>.spool``, numbered upward, never reused."""

import re
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


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:016d}{SUFFIX}"
