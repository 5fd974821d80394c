"""Writes the reference parts of docs/*.md from the code, between markers; ``--check`` only says what is stale.

    python docs/generate.py            # write
    python docs/generate.py --check    # exit 1 and name the files that no longer say what the code does

A marker is a comment ``<!-- generated: NAME -->``; everything up to ``<!-- end -->`` is written anew.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import knowledge
import typer
from knowledge import table
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api import ApiSettings, create_app
from api.grafana import texts
from api.grafana.alerts import ALERTS
from api.grafana.dashboards import DASHBOARDS
from api.grafana.marks import PREFIX
from brain.cli import app
from brain.edge import EdgeSettings
from brain.gateways import GatewaySettings
from brain.settings import MachineSettings, Settings
from collectors import MappedValue, Mapping, MqttSource, OpcUaNode, OpcUaSource, SparkplugSource

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


# ------------------------------------------------------------------ commands


def command_tree() -> dict[str, Any]:
    """Every command that does something, by its words without ``brain``."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield " ".join(words), command
            return
        if command.invoke_without_command:
            yield " ".join(words), command
        for name, child in command.commands.items():
            yield from walk((*words, name), child)

    return dict(walk((), typer.main.get_command(app)))


def commands() -> str:
    """One section a command: what it does, an example, its options."""
    sections = []
    for words, command in command_tree().items():
        about, _, example = inspect.cleandoc(command.help).partition("Example: ")
        parts = [f"## brain {words}\n\n{about.strip()}\n"]
        if example:
            parts.append(f"```sh\n{example.strip().strip('`')}\n```\n")
        rows = [
            (_names(parameter), _kind(parameter), getattr(parameter, "help", None) or "", _default(parameter))
            for parameter in command.params
            if parameter.name != "help"
        ]
        if rows:
            parts.append(table(("option", "takes", "what for", "default"), rows))
        sections.append("\n".join(parts))
    return "\n".join(sections)


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in parameter.opts)


def _kind(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "a switch"
    word = {int: "whole number", float: "number", Path: "path"}.get(parameter.type_descriptor.annotation, "text")
    return f"{word}, repeatable" if parameter.multiple else word


def _default(parameter: Any) -> str:
    if parameter.required:
        return "must be given"
    value = parameter.default
    plain = isinstance(value, int | float | str) and value not in ("", False)
    return f"`{value}`" if plain else ""


# ------------------------------------------------------------------ settings


def settings() -> str:
    """Every setting with its variable."""
    return table(
        ("setting", "variable", "type", "default", "what for"),
        (
            (f"`{name}`", f"`BRAIN_{name.upper()}`", _type(field), _field_default(field), field.description or "")
            for name, field in Settings.model_fields.items()
        ),
    )


def _fields_of(model: type[BaseModel]) -> Callable[[], str]:
    def rows() -> str:
        return table(
            ("key", "type", "default", "what for"),
            (
                (f"`{name}`", _type(field), _field_default(field), field.description or "")
                for name, field in model.model_fields.items()
            ),
        )

    return rows


def _type(field: FieldInfo) -> str:
    text = field.annotation.__name__ if isinstance(field.annotation, type) else str(field.annotation)
    generic = str(field.annotation)
    if "[" in generic:
        text = generic
    text = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list[\1]", text)
    return f"`{text}`"


def _field_default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.default if field.default is not PydanticUndefined else field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    return f"`{json.dumps(value if isinstance(value, bool | int | float | list | dict | tuple) else str(value))}`"


# ------------------------------------------------------------------ routes


def routes() -> str:
    """Every route of the API."""
    paths = create_app(
        ApiSettings(database_url="postgresql://localhost/none", console=False, storage_secret="none")  # noqa: S106
    ).openapi()["paths"]
    return table(
        ("method", "path", "what it does", "takes"),
        (
            (
                method.upper(),
                f"`{path}`",
                (operation.get("description") or operation["summary"]).split("\n\n")[0],
                ", ".join(
                    f"`{parameter['name']}`"
                    for parameter in operation.get("parameters", [])
                    if parameter["in"] == "query"
                ),
            )
            for path, operations in paths.items()
            for method, operation in operations.items()
        ),
    )


# ------------------------------------------------------------------ Grafana


def grafana() -> str:
    """Dashboards with what they show, and alert rules."""
    boards = (
        (
            f"**{texts.say(board.name, 'en')}**<br>{texts.say(board.name, 'zh')}",
            f"`{PREFIX}{board.name}`",
            "; ".join(dict.fromkeys(texts.say(panel.text, "en") for row in board.rows for panel in row.panels)),
        )
        for board in DASHBOARDS
    )
    rules = (
        (
            f"**{texts.say(alert.name, 'en')}**<br>{texts.say(alert.name, 'zh')}",
            grafana_queries_about()[alert.query],
            f"above {alert.above:g} for {alert.lasting}",
            alert.severity,
        )
        for alert in ALERTS
    )
    return (
        table(("dashboard", "uid", "what it shows"), boards)
        + "\n"
        + table(("alert rule", "what is counted", "fires", "severity"), rules)
    )


def grafana_queries_about() -> dict[str, str]:
    """The comment of every alert rule's query."""
    text = (DOCS.parent / "historian" / "grafana" / "alerts.sql").read_text(encoding="utf-8")
    return dict(re.findall(r"^-- name: (.+)\n-- (.+?)(?: \(index .*)?$", text, re.MULTILINE))


GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings,
    "opcua": _fields_of(OpcUaSource),
    "opcua_nodes": _fields_of(OpcUaNode),
    "mqtt": _fields_of(MqttSource),
    "mqtt_mappings": _fields_of(Mapping),
    "mqtt_values": _fields_of(MappedValue),
    "sparkplug": _fields_of(SparkplugSource),
    "machines": _fields_of(MachineSettings),
    "edge": _fields_of(EdgeSettings),
    "gateways": _fields_of(GatewaySettings),
    "failure_modes": knowledge.failure_modes,
    "limits": knowledge.limits,
    "signals": knowledge.signals,
    "unbalance": knowledge.unbalance,
    "expectations": knowledge.expectations,
    "diagnosis": knowledge.diagnosis,
    "findings": knowledge.findings,
    "severities": knowledge.severities,
    "kpis": knowledge.kpis,
    "standstills": knowledge.standstills,
    "kpi_example": knowledge.kpi_example,
    "work_states": knowledge.work_states,
    "routes": routes,
    "grafana": grafana,
}


def renewed(text: str) -> str:
    """A page with all its generated parts written anew; ``KeyError`` for a marker nobody knows."""
    return PART.sub(lambda part: f"{part[1]}\n{GENERATORS[part[2]]()}\n{part[3]}", text)


def main() -> None:
    """Write or check every page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    check = parser.parse_args().check
    stale = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = renewed(text)
        if fresh != text:
            stale.append(page.name)
            if not check:
                page.write_text(fresh, encoding="utf-8")
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)}; renew with `python docs/generate.py`")


if __name__ == "__main__":
    main()
