"""The live line that `brain demo` and `brain run` keep on the terminal."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping

import asyncpg
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from brain.product import Product
from historian import Database, Overview, load_positions, read_overview
from ingest import spool_status

_LOOK_S = 1.0
_PLAIN_S = 10.0
_RATE_WINDOW_S = 10.0
_COLOURS = {
    "running": "green",
    "idle": "cyan",
    "starting": "cyan",
    "stopped": "white",
    "maintenance": "blue",
    "down": "bold red",
    "off_line": "yellow",
}


class StatusLine:
    """Looks at the installation once a second and says how it is.

    On a terminal two lines are kept up to date; elsewhere one plain line is printed every ten seconds.
    """

    def __init__(self, product: Product, console: Console) -> None:
        self._product = product
        self._console = console
        self._seen: deque[tuple[float, int]] = deque()

    async def run(self) -> None:
        """Show until cancelled."""
        async with Database.open(self._product.database_url, max_size=1) as database:
            if self._console.is_terminal:
                with Live(console=self._console, refresh_per_second=4, transient=False) as live:
                    while True:
                        live.update(await self._look(database))
                        await asyncio.sleep(_LOOK_S)
            spoken = -_PLAIN_S
            while True:
                lines = await self._look(database)
                if time.monotonic() - spoken >= _PLAIN_S:
                    self._console.print(lines, soft_wrap=True)
                    spoken = time.monotonic()
                await asyncio.sleep(_LOOK_S)

    async def _look(self, database: Database) -> Group:
        try:
            async with asyncio.timeout(5), database.connection() as connection:
                overview = await read_overview(connection)
                positions = await load_positions(connection)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            waiting = await asyncio.to_thread(spool_status, self._product.settings.spool_dir, {})
            text = Text("database away; readings wait in the spool ", style="bold yellow")
            text.append(f"({waiting.waiting_bytes / 1e6:,.1f} MB)")
            return Group(text)
        waiting = await asyncio.to_thread(spool_status, self._product.settings.spool_dir, positions)
        return Group(*self._lines(overview, waiting.waiting_readings))

    def _lines(self, overview: Overview, waiting: int) -> list[Text]:
        now = time.monotonic()
        self._seen.append((now, overview.stored))
        while self._seen[0][0] < now - _RATE_WINDOW_S:
            self._seen.popleft()
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        rate = (after - before) / (last - first) if last > first else 0.0
        line = Text()
        line.append(f"{rate:,.0f} readings/s", style="bold")
        line.append(f"  spool {waiting:,}  stored {overview.stored:,}  quarantine {overview.quarantined:,}  ")
        line.append_text(_states(overview.states))
        restarts = sum(self._product.supervisor.restarts.values())
        if restarts:
            line.append(f"  restarts {restarts}", style="yellow")
        lines = [line]
        if overview.worst:
            worst = Text(f"at risk {overview.open_findings}: ", style="bold red")
            worst.append(
                ", ".join(f"{code} {mode} {probability:.0%}" for code, mode, probability in overview.worst),
                style="not bold default",
            )
            lines.append(worst)
        return lines


def _states(states: Mapping[str, int]) -> Text:
    text = Text("machines: ")
    for index, (state, machines) in enumerate(sorted(states.items(), key=lambda item: -item[1])):
        text.append(", " if index else "")
        text.append(f"{machines} {state.replace('_', '-')}", style=_COLOURS.get(state, "white"))
    if not states:
        text.append("not judged yet", style="dim")
    return text
