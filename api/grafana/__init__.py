"""Grafana for those who use it already: dashboards and alert rules as code, pushed through its API or written as files.

Takes in a language, a data source and where the console is; hands out Grafana's JSON, provisioning files, and a push
that changes what differs and touches nothing that is not ours.
"""

from api.grafana.alerts import build_rules
from api.grafana.dashboards import CONSOLE_URL, build_dashboards
from api.grafana.data_source import COMPOSE, DataSource
from api.grafana.files import export_files, provisioning_files, stale_files
from api.grafana.marks import DATA_SOURCE
from api.grafana.pushing import Change, Wanted, push
from api.grafana.session import GrafanaError, Session, connect
from api.grafana.texts import Language

__all__ = [
    "COMPOSE",
    "CONSOLE_URL",
    "DATA_SOURCE",
    "Change",
    "DataSource",
    "GrafanaError",
    "Language",
    "Session",
    "Wanted",
    "build_dashboards",
    "build_rules",
    "connect",
    "export_files",
    "provisioning_files",
    "push",
    "stale_files",
]
