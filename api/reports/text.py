"""The words of the monthly report, in both languages, and its tables as rows of text."""

import math
from zoneinfo import ZoneInfo

from analytics import DEFINITIONS, KpiValue, Saving
from api.reports.content import Report

TEXTS = {
    "title": ("Monthly report", "设备月度报告"),
    "kpi": ("Indicator", "指标"),
    "value": ("Value", "数值"),
    "previous": ("Period before", "上期"),
    "baseline": ("Baseline", "基准期"),
    "coverage": ("Coverage", "数据覆盖率"),
    "basis": ("n", "样本数"),
    "kpis": ("Indicators", "关键指标"),
    "days": ("Unplanned downtime by day [h]", "每日非计划停机（小时）"),
    "reasons": ("Unplanned downtime by reason", "非计划停机原因"),
    "reason": ("Reason", "原因"),
    "stops": ("Stops", "次数"),
    "hours": ("Hours", "小时"),
    "cost": ("Cost", "损失"),
    "share": ("Share", "占比"),
    "worst": ("Machines with the most unplanned downtime", "非计划停机最多的设备"),
    "machine": ("Machine", "设备"),
    "day": ("Day", "日期"),
    "savings": ("Savings against the baseline", "相对基准期的节约"),
    "saved": ("Saved", "节约"),
    "interval": ("95 % interval", "95%置信区间"),
    "claim": ("Shown?", "是否成立"),
    "yes": ("yes", "是"),
    "no_claim": ("no: the interval holds zero", "否：区间包含零"),
    "no_baseline": (
        "No baseline is set for this site, so nothing can be said to have been saved.",
        "本厂区未设定基准期，无法判断是否有节约。",
    ),
    "not_enough": ("not enough data", "数据不足"),
    "none": ("none", "无"),
    "unplanned_downtime": ("Unplanned downtime", "非计划停机"),
    "downtime_cost": ("Cost of downtime", "停机损失"),
    "maintenance_cost": ("Maintenance cost", "维护成本"),
    "stops_saved": ("Unplanned stops", "非计划停机次数"),
    "period": ("Counted from {} to {} ({}); baseline {}.", "统计期：{} 至 {}（{}）；基准期：{}。"),
    "exposure": (
        "{:,.0f} machine hours asked for, {:,.0f} seen, {:,.0f} operating, {} failures.",
        "应统计 {:,.0f} 台时，可见 {:,.0f}，运行 {:,.0f}，故障 {} 次。",
    ),
}
LANGUAGES = ("en", "zh")
_UNITS = {"kW.h": "kWh", "kW.h/piece": "kWh/piece"}


def say(key: str, language: str) -> str:
    """A text in a language."""
    return TEXTS[key][LANGUAGES.index(language)]


def shown(value: float | None, unit: str, *, bound: bool = False) -> str:
    """A number with its unit; shares as per cent; a dash for none."""
    if value is None:
        return "-"
    if unit == "1":
        text = f"{value:.2%}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
        text = f"{text} {_UNITS.get(unit, unit)}"
    return f">= {text}" if bound else text


def kpi_rows(report: Report, language: str) -> list[list[str]]:
    """Every KPI with the period before and the baseline, what it rests on, and the reason where there is none."""
    before, base = (
        {value.key: value for value in other.values} if other is not None else {}
        for other in (report.month_kpis.previous, report.month_kpis.baseline)
    )
    names = {entry.key: (entry.name_en, entry.name_zh)[LANGUAGES.index(language)] for entry in DEFINITIONS}
    return [
        [
            names[value.key],
            _cell(value, language),
            _cell(before.get(value.key), language),
            _cell(base.get(value.key), language),
            f"{value.coverage:.0%}",
            str(value.n),
        ]
        for value in report.month_kpis.group.values
    ]


def _cell(value: KpiValue | None, language: str) -> str:
    if value is None:
        return "-"
    if value.value is None:
        return say("not_enough", language)
    if value.key == "stops":
        return f"{value.value:,.0f}"
    return shown(value.value, value.unit, bound=value.bound)


def saving_rows(report: Report, language: str) -> list[list[str]]:
    """What was saved, with its interval, or why nothing is claimed."""
    rows = []
    for saving in report.saved:
        name = say("stops_saved" if saving.key == "stops" else saving.key, language)
        if saving.saved is None or saving.share is None:
            rows.append(
                [
                    name,
                    say("not_enough", language),
                    "-",
                    "-",
                    (saving.reason_zh if language == "zh" else saving.reason) or "",
                ]
            )
            continue
        rows.append(
            [
                name,
                f"{saving.saved:,.1f}" if saving.key == "stops" else shown(saving.saved, saving.unit),
                f"{saving.share:.0%}",
                _interval(saving),
                say("yes" if saving.claim else "no_claim", language),
            ]
        )
    return rows


def _interval(saving: Saving) -> str:
    # Without a lower bound all may as well have become worse.
    low = "-∞" if saving.low == -math.inf else f"{saving.low:.0%}"
    return f"{low} .. {saving.high:.0%}"


def head_lines(report: Report, language: str) -> list[str]:
    """The period, the baseline and the exposure."""

    def span(moments: tuple[object, object]) -> str:
        return " .. ".join(f"{moment:%Y-%m-%d %H:%M} UTC" for moment in moments)

    exposure = report.month_kpis.group.exposure
    start, end = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in report.span)
    base = span(report.baseline) if report.baseline is not None else say("none", language)
    return [
        say("period", language).format(start, end, report.zone, base),
        say("exposure", language).format(exposure.asked_h, exposure.seen_h, exposure.operating_h, exposure.failures),
    ]


def day_rows(report: Report) -> list[tuple[str, float]]:
    """(local day, unplanned hours) of the days that were seen."""
    zone = ZoneInfo(report.zone)
    rows = []
    for day in report.days:
        value = next(entry for entry in day.group.values if entry.key == "unplanned_downtime_h")
        if value.value is not None:
            rows.append((f"{day.group.start.astimezone(zone):%d}", value.value))
    return rows
