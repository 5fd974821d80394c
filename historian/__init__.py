"""The plant's memory: every SQL statement, schema and migration, on asyncpg.

Takes in batches, judgements and people's decisions; hands out columns and rows. PostgreSQL alone,
TimescaleDB Apache edition and TimescaleDB Community edition are told apart here and nowhere else.
"""

from historian import accounts
from historian.copying import store_readings
from historian.database import Connection, Database, Edition
from historian.latest import Latest, LatestKeeper, read_latest
from historian.migrate import migrate, pending_migrations
from historian.overview import Overview, read_overview
from historian.partitions import READING, PartitionKeeper, drop_older_than, prepare_ahead
from historian.plants import Machine, ensure_tenant, load_directory, load_machines, register_machines
from historian.positions import Position, load_positions, locked_position, move_position, quarantine
from historian.readings import Rollup, Trend, read_readings, read_rollup, read_trend, reduce_trend
from historian.rollups import mark_dirty, refresh_rollups

__all__ = [
    "READING",
    "Connection",
    "Database",
    "Edition",
    "Latest",
    "LatestKeeper",
    "Machine",
    "Overview",
    "PartitionKeeper",
    "Position",
    "Rollup",
    "Trend",
    "accounts",
    "drop_older_than",
    "ensure_tenant",
    "load_directory",
    "load_machines",
    "load_positions",
    "locked_position",
    "mark_dirty",
    "migrate",
    "move_position",
    "pending_migrations",
    "prepare_ahead",
    "quarantine",
    "read_latest",
    "read_overview",
    "read_readings",
    "read_rollup",
    "read_trend",
    "reduce_trend",
    "refresh_rollups",
    "register_machines",
    "store_readings",
]
