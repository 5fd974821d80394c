"""The dashboards: fleet, machine, KPIs, data pipeline. What they show is data; the SDK makes Grafana's JSON of it."""

import json
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders.dashboard import (
    ConstantVariable,
    CustomVariable,
    Dashboard,
    DashboardLink,
    QueryVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.dashboard import DashboardLink as Link

from api.grafana.marks import DATA_SOURCE, TAG, uid
from api.grafana.panels import SERIES, PanelSpec, RowSpec, build_rows
from api.grafana.query import reference
from api.grafana.texts import Language, say
from historian import grafana_queries

CONSOLE_URL = "http://127.0.0.1:8000"
# Custom values for "all" are put into the SQL as they are: a sub-select instead of ten thousand numbers.
ALL_SITES = "select key from site"
ALL_MACHINES = "select id from machine"
ALL_SIGNALS = "select key from signal"
STATISTICS = ("average", "minimum", "maximum")


@dataclass(frozen=True, slots=True)
class Variable:
    """A drop-down above a dashboard, filled by a query of the historian.

    many: several values, or all of them (``all_value``); shown only: the tenant, which a role's policy decides
    """

    name: str
    all_value: str = ""
    shown_only: bool = False


TENANT = Variable("tenant", shown_only=True)
SITE = Variable("site", ALL_SITES)
MACHINE = Variable("machine")
MACHINES = Variable("machine", ALL_MACHINES)
SIGNAL = Variable("signal", ALL_SIGNALS)


@dataclass(frozen=True, slots=True)
class DashboardSpec:
    """A dashboard.

    name: last part of its uid, and its texts; since: start of its range; console: the page that says more
    """

    name: str
    since: str
    refresh: str
    variables: tuple[Variable, ...]
    console: str
    rows: tuple[RowSpec, ...]
    chooses_statistic: bool = False


def _trend(title: str, units: str, unit: str, width: int = 12) -> PanelSpec:
    return PanelSpec("lines", "machine.trend", SERIES, width, 8, title, units, unit)


_COUNTS = ("machines", "operating", "off_line", "at_risk", "active_alarms")
_RANKING = (
    "machine_id", "machine", "name", "site", "line", "state", "health", "risk", "failure_mode", "probability",
    "act_before", "judged_at",
)  # fmt: skip
_ACTIVE = (
    "machine_id", "machine", "site", "limit_key", "severity", "raised_at", "value", "threshold", "acknowledged_by",
)  # fmt: skip
_BY_SITE = (
    "site", "machines", "availability", "mtbf_h", "mttr_h", "failures", "unplanned_h", "planned_h", "downtime_cost",
    "maintenance_cost", "currency", "networked_share", "coverage",
)  # fmt: skip
_WORST = ("machine_id", "machine", "site", "stops", "unplanned_h", "downtime_cost", "currency")
_ALARMS = ("limit_key", "severity", "raised_at", "cleared_at", "value", "threshold", "acknowledged_by")
_JOBS = ("kind", "job_state", "title", "opened_at", "closed_at", "cost")
_FINDINGS = ("failure_mode", "probability", "severity", "opened_at", "act_before", "closed_at")

DASHBOARDS: tuple[DashboardSpec, ...] = (
    DashboardSpec(
        "fleet", "now-24h", "1m", (TENANT, SITE), "/",
        (
            RowSpec("now", (
                PanelSpec("stat", "fleet.counts", _COUNTS, 24, 4),
                PanelSpec("table", "fleet.ranking", _RANKING, 24, 12),
            )),
            RowSpec("over_time", (
                PanelSpec("ranked", "fleet.states", ("state", "machines"), 8, 9),
                PanelSpec("bars", "fleet.alarms_raised", SERIES, 16, 9, step="1m"),
                PanelSpec("table", "fleet.alarms_active", _ACTIVE, 24, 10),
            )),
        ),
    ),
    DashboardSpec(
        "machine", "now-24h", "1m", (TENANT, SITE, MACHINE, SIGNAL), "/machines/${machine}",
        (
            RowSpec("now", (
                PanelSpec("stat", "machine.condition", ("state", "health", "risk", "reading_age_s"), 14, 4),
                PanelSpec("table", "machine.findings", _FINDINGS, 10, 8),
                PanelSpec("states", "machine.states", ("time", "state"), 24, 5),
            )),
            RowSpec("trends", (
                _trend("currents", "= 'A'", "amp"),
                _trend("voltages", "= 'V'", "volt"),
                _trend("temperatures", "= 'Cel'", "celsius"),
                _trend("vibration", "in ('mm/s', 'g')", ""),
                _trend("other_signals", "not in ('A', 'V', 'Cel', 'mm/s', 'g', 'bool')", "", 24),
            )),
            RowSpec("history", (
                PanelSpec("table", "machine.signals", ("signal", "value", "unit", "measured_at", "quality"), 10, 10),
                PanelSpec("table", "machine.alarms", _ALARMS, 14, 10),
                PanelSpec("table", "machine.jobs", _JOBS, 24, 7),
            )),
        ),
        chooses_statistic=True,
    ),
    DashboardSpec(
        "kpis", "now-30d", "", (TENANT, SITE, MACHINES), "/downtime",
        (
            RowSpec("kpis_by_site", (PanelSpec("table", "kpis.by_site", _BY_SITE, 24, 8),)),
            RowSpec("over_time", (
                PanelSpec("bars", "kpis.downtime", SERIES, 24, 8, unit="h", step="1h"),
                PanelSpec("ranked", "kpis.pareto", ("reason", "stops", "unplanned_h"), 12, 10),
                PanelSpec("table", "kpis.worst", _WORST, 12, 10),
            )),
        ),
    ),
    DashboardSpec(
        "pipeline", "now-1h", "30s", (TENANT, SITE), "/data",
        (
            RowSpec("now", (
                PanelSpec("stat", "pipeline.now", ("newest_age_s", "commit_age_s", "sending", "silent"), 24, 4),
                PanelSpec("table", "pipeline.silent",
                          ("machine_id", "machine", "site", "line", "measured_at", "reading_age_s"), 24, 8),
            )),
            RowSpec("over_time", (
                PanelSpec("lines", "pipeline.rate", SERIES, 12, 8, unit="short", step="1m"),
                PanelSpec("bars", "pipeline.quarantine", SERIES, 12, 8, step="1m"),
                PanelSpec("table", "pipeline.quarantined",
                          ("received_at", "source", "address", "quarantine_reason", "detail"), 24, 8),
            )),
        ),
    ),
)  # fmt: skip


def build_dashboards(
    language: Language, data_source: str = DATA_SOURCE, console_url: str = CONSOLE_URL
) -> dict[str, dict[str, Any]]:
    """Every dashboard's JSON by its uid; titles in a language, queries to a data source by its uid."""
    return {uid(spec.name): _build(spec, language, data_source, console_url) for spec in DASHBOARDS}


def as_json(content: object) -> dict[str, Any]:
    """What the SDK built, as plain JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(content, cls=JSONEncoder))
    return plain


def _build(spec: DashboardSpec, language: Language, data_source: str, console_url: str) -> dict[str, Any]:
    dashboard = (
        Dashboard(say(spec.name, language))
        .uid(uid(spec.name))
        .description(say(f"{spec.name}_about", language))
        .tags([TAG])
        .time(spec.since, "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh(spec.refresh)
        .variables([*(_variable(entry, language, data_source) for entry in spec.variables), _console(console_url)])
        .links(_links(spec, language))
    )
    if spec.chooses_statistic:
        dashboard.with_variable(_statistic(language))
    for row, panels in build_rows(spec.rows, language, data_source):
        dashboard.with_row(row)
        for panel in panels:
            dashboard.with_panel(panel)
    return as_json(dashboard.build())


def _links(spec: DashboardSpec, language: Language) -> list[Builder[Link]]:
    others: list[Builder[Link]] = [
        DashboardLink(say(other.name, language))
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid(other.name)}?${{site:queryparam}}")
        for other in DASHBOARDS
        if other is not spec
    ]
    console = DashboardLink(say("console", language)).url("${console}" + spec.console).target_blank(True)
    return [*others, console.type(DashboardLinkType.LINK)]


def _variable(spec: Variable, language: Language, data_source: str) -> QueryVariable:
    variable = (
        QueryVariable(spec.name)
        .label(say(spec.name, language))
        .datasource(reference(data_source))
        .query(grafana_queries()[f"variables.{spec.name}"])
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.DISABLED)
        .allow_custom_value(False)
    )
    if spec.all_value:
        variable.multi(True).include_all(True).all_value(spec.all_value)
        variable.current(VariableOption(True, ["All"], ["$__all"]))
    if spec.shown_only:
        # Told by the database: an address with another tenant in it changes nothing, not even what is shown.
        variable.build().skip_url_sync = True
    return variable


def _statistic(language: Language) -> CustomVariable:
    options = [VariableOption(key == "average", say(key, language), key) for key in STATISTICS]
    return (
        CustomVariable("statistic")
        .label(say("statistic", language))
        .values(",".join(f"{say(key, language)} : {key}" for key in STATISTICS))
        .options(options)
        .current(options[0])
        .allow_custom_value(False)
    )


def _console(url: str) -> ConstantVariable:
    variable = ConstantVariable("console").value(url.rstrip("/"))
    variable.build().hide = VariableHide.HIDE_VARIABLE
    return variable
