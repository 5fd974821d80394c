"""The plant's memory: every SQL statement, schema and migration, on asyncpg.

Takes in batches, judgements and people's decisions; hands out columns and rows. PostgreSQL alone,
TimescaleDB Apache edition and TimescaleDB Community edition are told apart here and nowhere else.
"""

from historian import accounts
from historian.alarms import RaisedAlarm, active_alarms, clear_alarm, raise_alarm
from historian.copying import store_readings
from historian.database import Connection, Database, Edition
from historian.downtime import DowntimeRow, PlannedStop, add_planned_stop, list_downtime, set_reason
from historian.findings import (
    Condition,
    NewFinding,
    OpenFinding,
    close_finding,
    load_judged,
    open_finding,
    open_findings,
    store_conditions,
    update_finding,
)
from historian.kpi import KpiMachine, load_kpi_machines
from historian.latest import Latest, LatestKeeper, newest_reading, read_latest
from historian.migrate import migrate, pending_migrations
from historian.models import StoredModel, first_reading, load_models, minutes_span, store_model
from historian.operation import (
    StateRow,
    end_downtime,
    load_current_states,
    load_planned_stops,
    open_downtime,
    replace_states,
    set_states,
)
from historian.overview import Overview, read_overview
from historian.partitions import READING, PartitionKeeper, drop_older_than, prepare_ahead
from historian.plants import Machine, ensure_tenant, load_directory, load_machines, register_machines
from historian.positions import Position, load_positions, locked_position, move_position, quarantine
from historian.readings import Rollup, Trend, read_readings, read_rollup, read_trend, reduce_trend
from historian.rollups import mark_dirty, refresh_rollups
from historian.work_orders import (
    NewWorkOrder,
    WorkOrder,
    WorkOrderError,
    add_work_order,
    change_work_order,
    has_work_orders,
    list_work_orders,
    record_work,
)

__all__ = [
    "READING",
    "Condition",
    "Connection",
    "Database",
    "DowntimeRow",
    "Edition",
    "KpiMachine",
    "Latest",
    "LatestKeeper",
    "Machine",
    "NewFinding",
    "NewWorkOrder",
    "OpenFinding",
    "Overview",
    "PartitionKeeper",
    "PlannedStop",
    "Position",
    "RaisedAlarm",
    "Rollup",
    "StateRow",
    "StoredModel",
    "Trend",
    "WorkOrder",
    "WorkOrderError",
    "accounts",
    "active_alarms",
    "add_planned_stop",
    "add_work_order",
    "change_work_order",
    "clear_alarm",
    "close_finding",
    "drop_older_than",
    "end_downtime",
    "ensure_tenant",
    "first_reading",
    "has_work_orders",
    "list_downtime",
    "list_work_orders",
    "load_current_states",
    "load_directory",
    "load_judged",
    "load_kpi_machines",
    "load_machines",
    "load_models",
    "load_planned_stops",
    "load_positions",
    "locked_position",
    "mark_dirty",
    "migrate",
    "minutes_span",
    "move_position",
    "newest_reading",
    "open_downtime",
    "open_finding",
    "open_findings",
    "pending_migrations",
    "prepare_ahead",
    "quarantine",
    "raise_alarm",
    "read_latest",
    "read_overview",
    "read_readings",
    "read_rollup",
    "read_trend",
    "record_work",
    "reduce_trend",
    "refresh_rollups",
    "register_machines",
    "replace_states",
    "set_reason",
    "set_states",
    "store_conditions",
    "store_model",
    "store_readings",
    "update_finding",
]
