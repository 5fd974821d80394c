"""Commands for putting machines on line."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from brain.commands.invocation import DataDir, Json, print_json, run_body

onboard_app = typer.Typer(
    invoke_without_command=True,
    help="Put machines on line; alone, it leads from an address to a checked machine. Example: `brain onboard`",
)


@onboard_app.callback()
def onboard(context: typer.Context) -> None:
    """Put machines on line; alone, it leads from an address to a checked machine. Example: `brain onboard`"""
    if context.invoked_subcommand is not None:
        return
    if not sys.stdin.isatty():
        typer.echo(context.get_help())
        raise typer.Exit(2)
    from brain.commands.walk import walk

    walk()


@onboard_app.command("try-mapping")
def try_mapping(
    mapping: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="TOML file: one mapping, or [[mqtt]] with mappings")
    ],
    topic: Annotated[str | None, typer.Option(help="topic of the sample")] = None,
    payload: Annotated[str | None, typer.Option(metavar="FILE", help="the sample, or - for standard input")] = None,
    url: Annotated[str | None, typer.Option(help="listen to this broker instead: mqtt://... or mqtts://...")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="how long to listen")] = 10.0,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="messages after which listening ends")] = 500,
    ca_file: Annotated[Path | None, typer.Option(help="with mqtts: certificates to trust")] = None,
    certificate_file: Annotated[Path | None, typer.Option(help="with mqtts: our own certificate")] = None,
    key_file: Annotated[Path | None, typer.Option(help="private key of that certificate")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a mapping makes of messages; stores nothing, and leaves nothing at the broker.

    On a sample: `--topic factory/works/M1/telemetry --payload sample.json`; live: `--url`.

    Example: `brain onboard try-mapping --mapping box.toml --url mqtt://192.0.2.20:1883 --seconds 10`
    """
    from brain.mapping_trial import Sample, hear, known_machines, read_mappings, try_messages
    from brain.settings import load_settings
    from collectors import Tls, is_mqtt_url
    from plant import to_microseconds

    if (url is None) == (payload is None):
        raise typer.BadParameter("give either --payload with a sample, or --url to listen to")
    if payload is not None and not topic:
        raise typer.BadParameter("say on which topic the sample came", param_hint="--topic")
    if url is not None and not is_mqtt_url(url):
        raise typer.BadParameter("must look like mqtt://address:port or mqtts://address:port", param_hint="--url")
    if (certificate_file is None) != (key_file is None):
        raise typer.BadParameter("go together", param_hint="--certificate-file and --key-file")
    mappings = read_mappings(mapping)
    directory = known_machines(load_settings(data_dir=data_dir))
    if payload is not None:
        content = sys.stdin.buffer.read() if payload == "-" else Path(payload).read_bytes()
        messages = [Sample(topic or "", content, False, len(content))]
    else:
        tls = Tls(ca_file, certificate_file, key_file)
        messages = run_body(hear(url or "", mappings, seconds, most, tls))
    trials = try_messages(mappings, messages, directory, to_microseconds(datetime.now(UTC)))
    console = Console(soft_wrap=True)
    table = Table("topic", "path", "raw", "machine", "signal", "value", "unit", "time", "quality")
    for trial in trials:
        for reading in trial.readings:
            table.add_row(
                *map(
                    escape,
                    (
                        trial.topic,
                        reading.path,
                        repr(reading.raw)[:40],
                        f"{reading.site}/{reading.machine}",
                        reading.signal,
                        f"{reading.value:g}",
                        reading.unit,
                        reading.time.isoformat(),
                        reading.quality,
                    ),
                )
            )
    if table.row_count:
        console.print(table)
    for trial in trials:
        for refused in trial.rejected:
            console.print(escape(f"rejected: {refused.reason}: {refused.detail} ({refused.address})"), style="red")
    unmapped = list(dict.fromkeys(path for trial in trials for path in trial.unmapped))
    if unmapped:
        console.print(escape("nothing reads: " + ", ".join(unmapped)))
    if directory is None:
        console.print("no machines are registered here yet: names of machines were not checked")
    readings = sum(len(trial.readings) for trial in trials)
    rejected = sum(len(trial.rejected) for trial in trials)
    console.print(
        f"{len(trials)} messages: {readings} readings would be stored, {rejected} rejected; nothing was stored"
    )
    if as_json:
        print_json(
            {
                "messages": len(trials),
                "machines_checked": directory is not None,
                "readings": [
                    {"topic": trial.topic, **asdict(reading)} for trial in trials for reading in trial.readings
                ],
                "rejected": [
                    {"topic": refused.address, "reason": refused.reason, "detail": refused.detail}
                    for trial in trials
                    for refused in trial.rejected
                ],
                "unmapped": unmapped,
            }
        )
