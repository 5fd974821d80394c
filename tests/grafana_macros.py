"""What Grafana does to a query before the database gets it: variables and macros of its PostgreSQL data source.

Written from https://grafana.com/docs/grafana/latest/datasources/postgres/ and
https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/. A query that uses anything else fails.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
ALL = "$__all"


@dataclass(frozen=True)
class View:
    """What a person looks at: a range, the interval that Grafana chose for it, and the values of the drop-downs."""

    since: datetime
    until: datetime
    interval: str = "1m"
    values: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    all_values: Mapping[str, str] = field(default_factory=dict)
    timescaledb: bool = False


def expand(sql: str, view: View) -> str:
    """The SQL that reaches the database; ``AssertionError`` where a variable or macro would be left."""

    def variable(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        assert form == "sqlstring", f"${{{name}}} goes into SQL without :sqlstring"
        value = view.values[name]
        if value == ALL:
            return view.all_values[name]
        chosen = [value] if isinstance(value, str) else value
        return ",".join("'" + text.replace("'", "''") + "'" for text in chosen)

    sql = re.sub(r"\$\{(\w+)(?::(\w+))?\}", variable, sql)
    sql = sql.replace("$__interval", view.interval)
    since, until = (f"'{moment.isoformat().replace('+00:00', 'Z')}'" for moment in (view.since, view.until))
    size = int(view.interval[:-1]) * SECONDS[view.interval[-1]]

    def group(match: re.Match[str]) -> str:
        column, _, width = (part.strip() for part in match[2].rpartition(","))
        column = match[2].rpartition(",")[0].strip()
        assert width.strip("'") == view.interval
        bucket = (
            f"time_bucket('{size}.000s',{column})"
            if view.timescaledb
            else f"floor(extract(epoch from {column})/{size})*{size}"
        )
        return bucket + (' AS "time"' if match[1] else "")

    sql = re.sub(r"\$__timeGroup(Alias)?\(([^()]*)\)", group, sql)
    sql = re.sub(r"\$__timeFilter\(([^()]*)\)", rf"\1 BETWEEN {since} AND {until}", sql)
    sql = sql.replace("$__timeFrom()", since).replace("$__timeTo()", until)
    sql = sql.replace("$__unixEpochFrom()", str(int(view.since.timestamp())))
    sql = sql.replace("$__unixEpochTo()", str(int(view.until.timestamp())))
    assert "$" not in sql, f"Grafana would not fill this: {sql[sql.index('$') :][:40]}"
    return sql
