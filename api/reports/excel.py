"""The monthly report as an Excel workbook: numbers as numbers, with charts that follow them."""

from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

from api.reports.content import Report
from api.reports.text import day_rows, head_lines, kpi_rows, saving_rows, say


def excel(report: Report, language: str) -> bytes:
    """The report as an .xlsx file."""
    book = Workbook()
    sheet = book.active
    sheet.title = say("kpis", language)
    for line in (f"{say('title', language)} {report.site} {report.month}", *head_lines(report, language)):
        sheet.append([line])
    sheet["A1"].font = Font(bold=True, size=14)
    heads = [say(key, language) for key in ("kpi", "value", "previous", "baseline", "coverage", "basis")]
    _rows(sheet, heads, kpi_rows(report, language))
    days = book.create_sheet(say("day", language))
    _rows(days, [say("day", language), say("hours", language)], [list(row) for row in day_rows(report)])
    _chart(days, say("days", language), len(day_rows(report)))
    reasons = book.create_sheet(say("reason", language))
    _rows(
        reasons,
        [say(key, language) for key in ("reason", "hours", "stops", "cost", "share")],
        [
            [row.name_zh if language == "zh" else row.name_en, row.hours, row.stops, row.cost, row.share]
            for row in report.reasons
        ],
    )
    _chart(reasons, say("reasons", language), len(report.reasons))
    worst = book.create_sheet(say("machine", language))
    _rows(worst, [say(key, language) for key in ("machine", "hours", "stops")], [list(row) for row in report.worst])
    _chart(worst, say("worst", language), len(report.worst))
    saved = book.create_sheet(say("saved", language))
    if report.baseline is None:
        saved.append([say("no_baseline", language)])
    else:
        heads = [say(key, language) for key in ("kpi", "saved", "share", "interval", "claim")]
        _rows(saved, heads, saving_rows(report, language))
    for entry in book.worksheets:
        entry.column_dimensions["A"].width = 34
        for column in "BCDEF":
            entry.column_dimensions[column].width = 18
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _rows(sheet: Any, head: list[str], rows: list[list[Any]]) -> None:
    sheet.append(head)
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for row in rows:
        sheet.append(row)


def _chart(sheet: Any, title: str, count: int) -> None:
    """Bars of the second column over the first, whose head is in row 1."""
    if not count:
        return
    chart = BarChart()
    chart.title, chart.legend = title, None
    chart.add_data(Reference(sheet, min_col=2, min_row=2, max_row=count + 1))
    chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=count + 1))
    sheet.add_chart(chart, "H2")
