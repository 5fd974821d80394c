"""How a column is shown, by its name; the same wherever it turns up."""

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    Threshold,
    ThresholdsConfig,
    ValueMap,
    ValueMappingResult,
)

from api.console.session import RISK_COLOURS, STATE_COLOURS
from api.grafana.marks import uid
from api.grafana.texts import Language, say, words

QUIET = "#74828d"
MACHINE_DASHBOARD = (
    f"/d/{uid('machine')}?var-machine=${{__data.fields.machine_id}}"
    "&var-site=${__data.fields.site}&${__url_time_range}"
)
MACHINE_PAGE = "${console}/machines/${__data.fields.machine_id}"


@dataclass(frozen=True, slots=True)
class Column:
    """How values of a column look.

    unit: Grafana's name of it; steps: (from, colour) above the quiet default; links: ``machine`` leads to its dashboard
    and its page in the console; hidden: there for links only; mapped: its keys are said in words
    """

    unit: str = ""
    decimals: int | None = None
    steps: tuple[tuple[float, str], ...] = ()
    links: Literal["", "machine"] = ""
    hidden: bool = False
    mapped: bool = False
    label: str = ""


RISK = tuple(sorted(RISK_COLOURS))
AGE = ((60.0, "#ef9f27"), (300.0, "#c62828"))
SOME = ((1.0, "#d84315"),)

COLUMNS: dict[str, Column] = {
    "machine_id": Column(hidden=True),
    "machine": Column(links="machine"),
    "machines": Column(),
    "operating": Column(),
    "off_line": Column(label="off_line_machines"),
    "at_risk": Column(steps=SOME),
    "active_alarms": Column(steps=SOME),
    "name": Column(),
    "site": Column(),
    "line": Column(),
    "state": Column(mapped=True),
    "health": Column(decimals=0),
    "risk": Column(unit="percentunit", decimals=0, steps=RISK),
    "failure_mode": Column(mapped=True),
    "probability": Column(unit="percentunit", decimals=0),
    "act_before": Column(),
    "judged_at": Column(),
    "limit_key": Column(mapped=True),
    "severity": Column(mapped=True),
    "raised_at": Column(),
    "cleared_at": Column(),
    "value": Column(decimals=2),
    "threshold": Column(decimals=2),
    "acknowledged_by": Column(),
    "reading_age_s": Column(unit="s", decimals=0, steps=AGE),
    "opened_at": Column(),
    "closed_at": Column(),
    "signal": Column(),
    "unit": Column(),
    "measured_at": Column(),
    "quality": Column(mapped=True),
    "kind": Column(mapped=True),
    "job_state": Column(mapped=True),
    "title": Column(),
    "cost": Column(decimals=0),
    "availability": Column(unit="percentunit", decimals=1),
    "mtbf_h": Column(unit="h", decimals=1),
    "mttr_h": Column(unit="h", decimals=1),
    "failures": Column(),
    "unplanned_h": Column(unit="h", decimals=1),
    "planned_h": Column(unit="h", decimals=1),
    "downtime_cost": Column(decimals=0),
    "maintenance_cost": Column(decimals=0),
    "currency": Column(),
    "networked_share": Column(unit="percentunit", decimals=0),
    "coverage": Column(unit="percentunit", decimals=0),
    "reason": Column(mapped=True),
    "stops": Column(),
    "newest_age_s": Column(unit="s", decimals=0, steps=AGE),
    "commit_age_s": Column(unit="s", decimals=0, steps=AGE),
    "sending": Column(),
    "silent": Column(steps=SOME),
    "received_at": Column(),
    "source": Column(),
    "address": Column(),
    "quarantine_reason": Column(),
    "detail": Column(),
}


def properties(name: str, language: Language, *, in_table: bool) -> list[DynamicConfigValue]:
    """The override that shows a column as it should be."""
    column = COLUMNS[name]
    found: list[tuple[str, object]] = [("displayName", say(column.label or name, language))]
    if column.unit:
        found.append(("unit", column.unit))
    if column.decimals is not None:
        found.append(("decimals", column.decimals))
    if column.steps:
        steps = [Threshold(None, QUIET), *(Threshold(value, colour) for value, colour in column.steps)]
        found += [("thresholds", ThresholdsConfig(steps=steps)), ("color", {"mode": "thresholds"})]
        if in_table:
            found.append(("custom.cellOptions", {"type": "color-text"}))
    if column.mapped:
        found.append(("mappings", [word_map(name, language)]))
    if column.links == "machine":
        found.append(("links", machine_links(language)))
    if column.hidden:
        found.append(("custom.hidden", True))
    return [DynamicConfigValue(key, value) for key, value in found]


def word_map(name: str, language: Language) -> ValueMap:
    """Keys of a column in words, states in the console's colours."""
    colours = STATE_COLOURS if name == "state" else {}
    return ValueMap(
        {
            key: ValueMappingResult(text=text, color=colours.get(key), index=index)
            for index, (key, text) in enumerate(words(name, language).items())
        }
    )


def machine_links(language: Language) -> list[object]:
    """From a row to its machine: the dashboard first, the console beside it."""
    return [
        DashboardLink(say("open_machine", language)).url(MACHINE_DASHBOARD).build(),
        DashboardLink(say("open_console", language)).url(MACHINE_PAGE).target_blank(True).build(),
    ]
