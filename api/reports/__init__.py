"""The month of a site as PDF and Excel, and what it saved against its baseline.

Takes in a site, a month and a tenant-bound connection; hands out the route, and the functions behind it that the
console and `brain report` call.
"""

from api.reports.content import Report, gather_report
from api.reports.render import MEDIA_TYPES, Format, file_name, render
from api.reports.routes import router
from api.reports.text import saving_rows

__all__ = ["MEDIA_TYPES", "Format", "Report", "file_name", "gather_report", "render", "router", "saving_rows"]
