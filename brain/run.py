"""`brain run`: the whole product on one machine, for the sources in the settings file."""

import asyncio

from rich.console import Console

from brain.failure import Failure
from brain.installation import ADMIN, ensure_administrator, install
from brain.product import Product
from brain.services import until_told_to_stop
from brain.services.serve import check_port
from brain.settings import Settings
from brain.status_line import StatusLine


async def run_product(settings: Settings, console: Console) -> None:
    """Run until told to stop."""
    if not (settings.opcua or settings.mqtt or settings.sparkplug):
        raise Failure(
            "nothing to collect from: give [[opcua]], [[mqtt]] or [[sparkplug]] in brain.toml (README shows five lines)"
        )
    told = until_told_to_stop()
    check_port(settings.host, settings.port)
    async with Product.open(settings) as product:
        await install(settings, product.database_url, [])
        password = await ensure_administrator(settings, product.database_url)
        for service in ("ingest", "collect", "analyze", "serve"):
            await product.start(service)
        greet(settings, password, console)
        line = asyncio.create_task(StatusLine(product, console).run())
        await told.wait()
        line.cancel()
        await asyncio.gather(line, return_exceptions=True)
        console.print("stopping ...")


def greet(settings: Settings, password: str | None, console: Console) -> None:
    """Say where the console is and how to log in."""
    console.print(f"\nConsole  http://{settings.host}:{settings.port}", style="bold")
    console.print(f"Log in   {ADMIN}  /  {password or '(the password you have set)'}", highlight=False)
    console.print("Ctrl-C ends it; the next start goes on with the same data.\n")
