"""The console: web pages for people, made with NiceGUI; every asset comes from its wheel, none from outside.

Pages read through the same functions and the same tenant-bound connections as the REST routes.
"""

from fastapi import FastAPI
from nicegui import ui

from api.console import alarms, data, downtime, fleet, kpis, login, machine, maintenance, reports, work_order
from api.console.session import Console
from api.settings import ApiSettings


def mount(app: FastAPI, settings: ApiSettings) -> None:
    """Serve the console at / of an application."""
    console = Console(app)
    for page in (login, fleet, machine, alarms, downtime, maintenance, work_order, kpis, reports, data):
        page.build(console)
    ui.run_with(
        app, title="Industry Brain", storage_secret=settings.storage_secret, favicon="🏭", show_welcome_message=False
    )
