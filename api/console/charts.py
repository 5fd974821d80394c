"""Trends as charts: gaps stay gaps, limits are lines with their standard."""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from api.console.session import Visitor
from api.machines import Trend
from plant import ResolvedLimit, SignalType

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "temperatures",
        ("winding_temperature", "bearing_temperature_de", "bearing_temperature_nde", "ambient_temperature"),
    ),
    ("vibration", ("vibration_velocity_de", "vibration_velocity_nde")),
    ("currents", ("current_u", "current_v", "current_w")),
    ("voltages", ("voltage_uv", "voltage_vw", "voltage_wu")),
    ("power", ("power",)),
)
_COLOURS = ("#37618e", "#b5651d", "#4f7f52", "#7a5c99")
_SEVERITIES = {"notice": "#9aa5ad", "warning": "#ef9f27", "alarm": "#d84315", "critical": "#b71c1c"}


def grouped(signals: list[SignalType]) -> list[tuple[str, list[SignalType]]]:
    """Signals by chart: the known groups, and each of the rest with those of its unit."""
    by_key = {signal.key: signal for signal in signals if signal.kind == "number"}
    charts = []
    taken: set[str] = set()
    for name, keys in GROUPS:
        chosen = [by_key[key] for key in keys if key in by_key]
        if chosen:
            charts.append((name, chosen))
            taken.update(signal.key for signal in chosen)
    rest: dict[str, list[SignalType]] = {}
    for signal in by_key.values():
        if signal.key not in taken and signal.key not in ("speed", "power_factor"):
            rest.setdefault(signal.unit, []).append(signal)
    return charts + [("other_signals", chosen) for chosen in rest.values()]


def chart_option(
    trends: list[tuple[SignalType, Trend]], limits: list[ResolvedLimit], visitor: Visitor, zone: str
) -> dict[str, Any]:
    """An ECharts option; times are shifted to the site's zone and drawn as if they were UTC."""
    series: list[dict[str, Any]] = []
    highest = max((value for _, trend in trends for value in trend.maximum if value is not None), default=0.0)
    for number, (signal, trend) in enumerate(trends):
        entry: dict[str, Any] = {
            "type": "line",
            "name": visitor.pick(signal.name_en, signal.name_zh),
            "data": points(trend, zone),
            "showSymbol": False,
            "connectNulls": False,
            "lineStyle": {"width": 1.3},
            "color": _COLOURS[number % len(_COLOURS)],
            "sampling": "minmax",
        }
        # A limit far above everything measured would flatten the curve: it is named in the alarms instead.
        near = [entry for entry in limits if entry.limit.indicator == signal.key and entry.threshold < 3 * highest]
        if near and number == 0:
            entry["markLine"] = {
                "symbol": "none",
                "silent": True,
                "data": [
                    {
                        "yAxis": resolved.threshold,
                        "lineStyle": {"color": _SEVERITIES[resolved.limit.severity], "type": "dashed"},
                        "label": {
                            "formatter": f"{resolved.threshold:g} · {resolved.limit.standard}",
                            "position": "insideEndTop",
                            "fontSize": 10,
                        },
                    }
                    for resolved in near
                ],
            }
        series.append(entry)
    unit = trends[0][1].unit if trends else ""
    return {
        "useUTC": True,
        "animation": False,
        "grid": {"left": 48, "right": 14, "top": 30, "bottom": 24},
        "legend": {
            "type": "scroll",
            "top": 0,
            "left": 48,
            "itemHeight": 8,
            "textStyle": {"fontSize": 11, "color": "#74828d"},
        },
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "time", "axisLabel": {"fontSize": 10, "hideOverlap": True}},
        "yAxis": {
            "type": "value",
            "scale": True,
            "name": {"Cel": "°C", "1": "", "bool": ""}.get(unit, unit),
            "axisLabel": {"fontSize": 10},
            "splitLine": {"lineStyle": {"color": "#8883"}},
        },
        "series": series,
    }


def points(trend: Trend, zone: str) -> list[list[float | None]]:
    """[milliseconds in the site's zone, value], with an empty point inside every gap."""
    if not trend.time:
        return []
    shift = trend.time[-1].astimezone(ZoneInfo(zone)).utcoffset()
    offset = shift.total_seconds() * 1000 if shift is not None else 0.0
    times = np.array([time.timestamp() for time in trend.time]) * 1000
    spacing = np.diff(times)
    # A gap is long against its neighbours: a plant may have sent every minute once, and every second now.
    before, after = np.roll(spacing, 1), np.roll(spacing, -1)
    usual = np.maximum(before, after) if len(spacing) > 2 else spacing
    result: list[list[float | None]] = []
    for number, value in enumerate(trend.value):
        if number and spacing[number - 1] > max(3 * usual[number - 1], 5000):
            result.append([times[number - 1] + offset + 1, None])
        result.append([float(times[number] + offset), value])
    return result
