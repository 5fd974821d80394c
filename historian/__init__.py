"""The plant's memory: every SQL statement, schema and migration, on asyncpg.

Takes in batches, judgements and people's decisions; hands out columns and rows. PostgreSQL alone,
TimescaleDB Apache edition and TimescaleDB Community edition are told apart here and nowhere else.
"""

from historian import accounts
from historian.alarms import RaisedAlarm, active_alarms, clear_alarm, raise_alarm
from historian.compaction import Compacted, compact_closed, open_late
from historian.copying import Encoded, binary_copy, store_encoded, store_readings
from historian.database import Connection, Database, Edition
from historian.downtime import DowntimeRow, PlannedStop, add_planned_stop, list_downtime, set_reason
from historian.energy import EnergyPeer, load_energy_peers, refresh_energy
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
from historian.fleet import (
    AlarmRow,
    FindingRow,
    FleetRow,
    acknowledge_alarm,
    export_rows,
    find_signal,
    get_alarm,
    get_detail,
    get_finding,
    get_machine,
    list_alarms,
    list_findings,
    list_fleet,
    list_quarantine,
    list_signals,
    list_sites,
    list_states,
    pipeline_counts,
    shelve_alarm,
)
from historian.history import FailureRecord, import_history
from historian.kpi import GROUP_KEYS, KpiAsk, KpiRow, load_kpi_sums
from historian.kpi_rollup import whole_hours
from historian.kpi_sums import KpiSums
from historian.latest import Latest, LatestKeeper, newest_reading, read_latest
from historian.migrate import migrate, pending_migrations
from historian.minutes import MinuteKeeper
from historian.models import StoredModel, first_reading, load_models, minutes_span, store_model
from historian.operation import (
    StateRow,
    end_downtime,
    extend_states,
    load_current_states,
    load_planned_stops,
    open_downtime,
    replace_states,
    set_states,
)
from historian.overview import Overview, read_overview
from historian.partitions import (
    READING,
    READING_1MIN,
    PartitionKeeper,
    drop_empty,
    drop_older_than,
    forget_older_than,
    prepare_ahead,
)
from historian.plant_watch import PlantWatch
from historian.plants import Machine, ensure_tenant, load_directory, load_machines, register_machines
from historian.positions import Position, load_positions, locked_position, move_position, quarantine
from historian.production import Production, add_production
from historian.readings import Rollup, Trend, read_readings, read_rollup, read_trend, reduce_trend
from historian.rollups import mark_dirty, refresh_rollups
from historian.sizes import compress_now, reading_bytes
from historian.summaries import BlockSummaries
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
    "GROUP_KEYS",
    "READING",
    "READING_1MIN",
    "AlarmRow",
    "BlockSummaries",
    "Compacted",
    "Condition",
    "Connection",
    "Database",
    "DowntimeRow",
    "Edition",
    "Encoded",
    "EnergyPeer",
    "FailureRecord",
    "FindingRow",
    "FleetRow",
    "KpiAsk",
    "KpiRow",
    "KpiSums",
    "Latest",
    "LatestKeeper",
    "Machine",
    "MinuteKeeper",
    "NewFinding",
    "NewWorkOrder",
    "OpenFinding",
    "Overview",
    "PartitionKeeper",
    "PlannedStop",
    "PlantWatch",
    "Position",
    "Production",
    "RaisedAlarm",
    "Rollup",
    "StateRow",
    "StoredModel",
    "Trend",
    "WorkOrder",
    "WorkOrderError",
    "accounts",
    "acknowledge_alarm",
    "active_alarms",
    "add_planned_stop",
    "add_production",
    "add_work_order",
    "binary_copy",
    "change_work_order",
    "clear_alarm",
    "close_finding",
    "compact_closed",
    "compress_now",
    "drop_empty",
    "drop_older_than",
    "end_downtime",
    "ensure_tenant",
    "export_rows",
    "extend_states",
    "find_signal",
    "first_reading",
    "forget_older_than",
    "get_alarm",
    "get_detail",
    "get_finding",
    "get_machine",
    "has_work_orders",
    "import_history",
    "list_alarms",
    "list_downtime",
    "list_findings",
    "list_fleet",
    "list_quarantine",
    "list_signals",
    "list_sites",
    "list_states",
    "list_work_orders",
    "load_current_states",
    "load_directory",
    "load_energy_peers",
    "load_judged",
    "load_kpi_sums",
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
    "open_late",
    "pending_migrations",
    "pipeline_counts",
    "prepare_ahead",
    "quarantine",
    "raise_alarm",
    "read_latest",
    "read_overview",
    "read_readings",
    "read_rollup",
    "read_trend",
    "reading_bytes",
    "record_work",
    "reduce_trend",
    "refresh_energy",
    "refresh_rollups",
    "register_machines",
    "replace_states",
    "set_reason",
    "set_states",
    "shelve_alarm",
    "store_conditions",
    "store_encoded",
    "store_model",
    "store_readings",
    "update_finding",
    "whole_hours",
]
