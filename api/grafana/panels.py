"""Panels as data, and how the SDK makes Grafana's JSON of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders import barchart, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Row
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import GridPos

from api.grafana.columns import properties, word_map
from api.grafana.query import Format, SqlQueryBuilder, reference
from api.grafana.texts import TEXTS, Language, say
from historian import grafana_queries

WIDTH = 24
Kind = Literal["stat", "table", "lines", "bars", "ranked", "states"]
_BUILDERS: dict[Kind, type[Any]] = {
    "stat": stat.Panel,
    "table": table.Panel,
    "lines": timeseries.Panel,
    "bars": timeseries.Panel,
    "ranked": barchart.Panel,
    "states": statetimeline.Panel,
}


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """A panel.

    query: name of its SQL in the historian; columns: what that answers with, in order (``time, metric, value`` for a
    series over time); title: key of its text, else the query's name; units: which units a trend shows, as SQL;
    unit: Grafana's name of the values' unit; step: the shortest interval that makes sense
    """

    kind: Kind
    query: str
    columns: tuple[str, ...]
    width: int
    height: int
    title: str = ""
    units: str = ""
    unit: str = ""
    step: str = ""

    @property
    def shape(self) -> Format:
        """How Grafana is to read the answer."""
        return "time_series" if self.kind in ("lines", "bars") else "table"

    @property
    def sql(self) -> str:
        """The query, variables and macros left in."""
        return grafana_queries()[self.query].replace(":units", self.units)

    @property
    def text(self) -> str:
        """Key of the title."""
        return self.title or self.query.replace(".", "_")


@dataclass(frozen=True, slots=True)
class RowSpec:
    """A heading above panels."""

    title: str
    panels: tuple[PanelSpec, ...]


SERIES = ("time", "metric", "value")


def build_rows(rows: Sequence[RowSpec], language: Language, data_source: str) -> list[tuple[Any, list[Any]]]:
    """(row, panels) with ids in order and places from left to right, wrapped at the grid's width."""
    built, number, y = [], 0, 0
    for row in rows:
        number += 1
        heading = Row(say(row.title, language)).id(number).grid_pos(GridPos(h=1, w=WIDTH, x=0, y=y))
        y += 1
        x, tallest, panels = 0, 0, []
        for spec in row.panels:
            if x + spec.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            place = GridPos(h=spec.height, w=spec.width, x=x, y=y)
            panels.append(build_panel(spec, language, data_source).id(number).grid_pos(place))
            x, tallest = x + spec.width, max(tallest, spec.height)
        y += tallest
        built.append((heading, panels))
    return built


def build_panel(spec: PanelSpec, language: Language, data_source: str) -> Any:
    """A panel's builder, without id and place."""
    panel = (
        _BUILDERS[spec.kind]()
        .title(say(spec.text, language))
        .datasource(reference(data_source))
        .with_target(SqlQueryBuilder(spec.sql, spec.shape, data_source))
    )
    if f"{spec.text}_about" in TEXTS:
        panel.description(say(f"{spec.text}_about", language))
    if spec.unit:
        panel.unit(spec.unit)
    if spec.step:
        panel.interval(spec.step).max_data_points(120)
    _style(panel, spec, language)
    if spec.shape == "table":
        for column in spec.columns:
            if column != "time":
                panel.override_by_name(column, properties(column, language, in_table=spec.kind == "table"))
    return panel


def _style(panel: Any, spec: PanelSpec, language: Language) -> None:
    match spec.kind:
        case "stat":
            panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False))
            panel.graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE)
            panel.text_mode(BigValueTextMode.VALUE_AND_NAME)
        case "lines":
            panel.line_width(1).fill_opacity(0).span_nulls(False).legend(_legend())
        case "bars":
            panel.draw_style(GraphDrawStyle.BARS).fill_opacity(80).line_width(0).legend(_legend())
            panel.stacking(StackingConfig().mode(StackingMode.NORMAL))
        case "ranked":
            panel.fill_opacity(80).orientation(VizOrientation.HORIZONTAL).x_field(spec.columns[0]).legend(
                _legend(shown=False)
            )
        case "table":
            panel.inspect(False)
        case "states":
            panel.line_width(0).fill_opacity(70).mappings([word_map("state", language)]).legend(_legend())


def _legend(*, shown: bool = True) -> VizLegendOptions:
    return (
        VizLegendOptions()
        .show_legend(shown)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .calcs([])
    )
