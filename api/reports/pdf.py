"""The monthly report as PDF; Chinese by a font that every reader has (Adobe-GB1), so that none must be shipped."""

from io import BytesIO
from typing import Any

from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

from api.reports.content import Report
from api.reports.text import day_rows, head_lines, kpi_rows, saving_rows, say

_CHINESE = "STSong-Light"
_WIDTH = 480


def pdf(report: Report, language: str) -> bytes:
    """The report as a PDF file."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    page = _Page(_CHINESE if language == "zh" else "Helvetica", language)
    title = f"{say('title', language)} {report.site} {report.month}"
    story: list[Any] = [page.head(title, 18), *(page.line(text) for text in head_lines(report, language))]
    heads = ["kpi", "value", "previous", "baseline", "coverage", "basis"]
    story += [page.head(say("kpis", language)), page.table(heads, kpi_rows(report, language))]
    story += [PageBreak(), page.head(say("days", language)), page.bars(day_rows(report))]
    story.append(page.head(say("reasons", language)))
    names = [row.name_zh if language == "zh" else row.name_en for row in report.reasons]
    story.append(page.bars([(name, row.hours) for name, row in zip(names, report.reasons, strict=True)][:8]))
    story.append(
        page.table(
            ["reason", "stops", "hours", "cost", "share"],
            [
                [name, str(row.stops), f"{row.hours:,.1f}", f"{row.cost:,.0f}", f"{row.share:.0%}"]
                for name, row in zip(names, report.reasons, strict=True)
            ],
        )
    )
    story.append(page.head(say("worst", language)))
    story.append(
        page.table(["machine", "hours", "stops"], [[key, f"{hours:,.1f}", str(n)] for key, hours, n in report.worst])
    )
    story += [PageBreak(), page.head(say("savings", language))]
    if report.baseline is None:
        story.append(page.line(say("no_baseline", language)))
    else:
        story.append(page.table(["kpi", "saved", "share", "interval", "claim"], saving_rows(report, language)))
    file = BytesIO()
    SimpleDocTemplate(file, pagesize=A4, title=title, author="Industry Brain").build(story)
    return file.getvalue()


class _Page:
    """The look of one language."""

    def __init__(self, font: str, language: str) -> None:
        self._font = font
        self._language = language

    def head(self, text: str, size: int = 13) -> Any:
        """A heading."""
        return Paragraph(text, ParagraphStyle("head", fontName=self._font, fontSize=size, leading=size * 1.8))

    def line(self, text: str) -> Any:
        """A line of text."""
        return Paragraph(text, ParagraphStyle("line", fontName=self._font, fontSize=9, leading=14))

    def table(self, head: list[str], rows: list[list[str]]) -> Any:
        """A table; cells wrap."""
        texts = [[say(key, self._language) for key in head], *(rows or [[say("none", self._language)]])]
        cells = [[self.line(cell) for cell in row] for row in texts]
        # The first column holds names.
        rest = _WIDTH / (len(head) + 1)
        table = Table(cells, colWidths=[2 * rest, *[rest] * (len(head) - 1)], repeatRows=1)
        table.setStyle(
            TableStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.25, colors.lightgrey),
                    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ]
            )
        )
        return table

    def bars(self, values: list[tuple[str, float]]) -> Any:
        """A bar chart of (label, hours)."""
        if not values:
            return self.line(say("none", self._language))
        drawing = Drawing(_WIDTH, 150)
        chart = VerticalBarChart()
        chart.x, chart.y, chart.width, chart.height = 30, 30, _WIDTH - 40, 110
        chart.data = [[value for _, value in values]]
        chart.categoryAxis.categoryNames = [name for name, _ in values]
        for labels in (chart.categoryAxis.labels, chart.valueAxis.labels):
            labels.fontName, labels.fontSize = self._font, 7
        chart.valueAxis.valueMin = 0
        chart.bars[0].fillColor = colors.HexColor("#b5651d")
        chart.bars[0].strokeColor = None
        drawing.add(chart)
        return drawing
