"""Makes readings durable: spool, checks, writer, quarantine.

A collector hands a batch in (:class:`Spool`, through :class:`CheckedSink`) and is told when it is safe on
disk. The :class:`Writer`, in a process of its own, brings the spool into the historian exactly once.

A gateway uses the spool and has no database: what needs the historian is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ingest.checks import CheckedSink
from ingest.inspection import LaneReport, inspect_spool
from ingest.packing import Packed, Packer
from ingest.reader import LaneReader, Place
from ingest.records import Record
from ingest.room import Dropped, drop_oldest, lane_bytes
from ingest.segments import lane_directory
from ingest.spool import Spool, SpoolLocked
from ingest.status import SpoolStatus, spool_status

if TYPE_CHECKING:
    from ingest.refresher import RollupRefresher
    from ingest.upkeep import Upkeep
    from ingest.writer import Writer

__all__ = [
    "CheckedSink",
    "Dropped",
    "LaneReader",
    "LaneReport",
    "Packed",
    "Packer",
    "Place",
    "Record",
    "RollupRefresher",
    "Spool",
    "SpoolLocked",
    "SpoolStatus",
    "Upkeep",
    "Writer",
    "drop_oldest",
    "inspect_spool",
    "lane_bytes",
    "lane_directory",
    "spool_status",
]

_WITH_HISTORIAN = {"RollupRefresher": "refresher", "Upkeep": "upkeep", "Writer": "writer"}


def __getattr__(name: str) -> Any:
    if name not in _WITH_HISTORIAN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_HISTORIAN[name]}"), name)
