"""Dashboards and provisioning as files: what Docker Compose mounts, and any Grafana that is fed from a directory."""

import json
from pathlib import Path
from typing import Any

import yaml

from api.grafana.alerts import INTERVAL_S, build_rules
from api.grafana.dashboards import CONSOLE_URL, build_dashboards
from api.grafana.data_source import COMPOSE, DataSource
from api.grafana.marks import FOLDER, RULE_GROUP
from api.grafana.texts import Language, say

MOUNTED = "/var/lib/grafana/dashboards"
_HEAD = "# Written by `brain grafana export`; change api/grafana and write it anew.\n"
# Of a rule as the API takes it, what a file says elsewhere: in its group.
_OF_THE_GROUP = ("orgID", "folderUID", "ruleGroup")


def provisioning_files(
    language: Language = "en", data_source: DataSource = COMPOSE, console_url: str = CONSOLE_URL
) -> dict[str, str]:
    """Content by path: dashboards as JSON, the rest as YAML that Grafana reads when it starts."""
    pages = {
        f"dashboards/{uid}.json": json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        for uid, content in build_dashboards(language, console_url=console_url).items()
    }
    rules = [
        {key: value for key, value in rule.items() if key not in _OF_THE_GROUP}
        for rule in build_rules(language, console_url=console_url).values()
    ]
    return pages | {
        "provisioning/datasources/historian.yaml": _yaml({"datasources": [_source(data_source)]}),
        "provisioning/dashboards/industry-brain.yaml": _yaml({"providers": [_provider(language)]}),
        "provisioning/alerting/industry-brain.yaml": _yaml(
            {
                "groups": [
                    {
                        "orgId": 1,
                        "name": RULE_GROUP,
                        # Files name a folder by its title; one of its own cannot collide with that of the dashboards.
                        "folder": say("alert_folder", language),
                        "interval": f"{INTERVAL_S}s",
                        "rules": rules,
                    }
                ]
            }
        ),
    }


def export_files(directory: Path, files: dict[str, str]) -> list[str]:
    """Write what differs, and take away dashboards of ours that are no more; the paths that changed."""
    changed = []
    for name, content in files.items():
        path = directory / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            changed.append(name)
    for path in left_over(directory, files):
        path.unlink()
        changed.append(path.relative_to(directory).as_posix())
    return changed


def stale_files(directory: Path, files: dict[str, str]) -> list[str]:
    """What :func:`export_files` would change."""
    differing = [
        name
        for name, content in files.items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != content
    ]
    return differing + [path.relative_to(directory).as_posix() for path in left_over(directory, files)]


def left_over(directory: Path, files: dict[str, str]) -> list[Path]:
    """Dashboards with our prefix that the code no longer makes."""
    found = sorted((directory / "dashboards").glob(f"{FOLDER}-*.json"))
    return [path for path in found if path.relative_to(directory).as_posix() not in files]


def _source(data_source: DataSource) -> dict[str, Any]:
    return data_source.new_body() | {
        "isDefault": True,
        "editable": False,
        # Filled by Grafana from its environment.
        "secureJsonData": {"password": "$GRAFANA_DATABASE_PASSWORD"},
    }


def _provider(language: Language) -> dict[str, Any]:
    return {
        "name": "industry-brain",
        "orgId": 1,
        "folder": say("folder", language),
        "folderUid": FOLDER,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 60,
        "options": {"path": MOUNTED},
    }


class _Readable(yaml.SafeDumper):
    """SQL stays in lines."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.dump(
        {"apiVersion": 1, **content}, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=120
    )
    return _HEAD + text
