"""`brain edge`: the gateway beside the machines, and what the cloud knows of gateways."""

import typer

from brain.commands.invocation import DataDir, run_body
from brain.logs import configure_logs

edge_app = typer.Typer(invoke_without_command=True)


@edge_app.callback()
def edge(context: typer.Context, data_dir: DataDir = None) -> None:
    """Collectors and spool on a gateway, forwarding to the cloud's broker. Example: `brain --config edge.toml edge`"""
    if context.invoked_subcommand is not None:
        return
    from brain.services.edge import edge as body
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, "edge")
    run_body(body(settings))
