"""A report as a file."""

from typing import Literal

from api.reports.content import Report

Format = Literal["pdf", "xlsx"]
MEDIA_TYPES: dict[Format, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def render(report: Report, file_format: Format, language: str) -> bytes:
    """The report in a language, ``en`` or ``zh``; takes up to seconds of computation."""
    # Here, since a server that makes no report needs neither library in memory.
    if file_format == "pdf":
        from api.reports.pdf import pdf

        return pdf(report, language)
    from api.reports.excel import excel

    return excel(report, language)


def file_name(site: str, month: str, language: str, file_format: Format) -> str:
    """What the file of a report is called."""
    return f"{site}-{month}-{language}.{file_format}"
