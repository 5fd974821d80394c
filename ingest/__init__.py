"""Makes readings durable: spool, checks, writer, quarantine.

A collector hands a batch in (:class:`Spool`, through :class:`CheckedSink`) and is told when it is safe on
disk. The :class:`Writer`, in a process of its own, brings the spool into the historian exactly once.
"""

from ingest.checks import CheckedSink
from ingest.inspection import LaneReport, inspect_spool
from ingest.refresher import RollupRefresher
from ingest.spool import Spool, SpoolLocked
from ingest.status import SpoolStatus, spool_status
from ingest.upkeep import Upkeep
from ingest.writer import Writer

__all__ = [
    "CheckedSink",
    "LaneReport",
    "RollupRefresher",
    "Spool",
    "SpoolLocked",
    "SpoolStatus",
    "Upkeep",
    "Writer",
    "inspect_spool",
    "spool_status",
]
