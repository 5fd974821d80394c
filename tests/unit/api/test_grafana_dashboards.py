"""Dashboards, alert rules and files are what Grafana's own types say, and lead nowhere that is not there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nicegui
import pytest
import yaml
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard

from api import ApiSettings, create_app
from api.grafana import (
    COMPOSE,
    DATA_SOURCE,
    DataSource,
    Language,
    build_dashboards,
    build_rules,
    export_files,
    provisioning_files,
    stale_files,
)
from api.grafana.alerts import ALERTS
from api.grafana.columns import COLUMNS
from api.grafana.dashboards import DASHBOARDS, as_json
from api.grafana.marks import LABEL, PREFIX, TAG
from api.grafana.query import register
from api.grafana.texts import TEXTS, words
from historian import grafana_queries
from plant import fault_library, template_library

ROOT = Path(__file__).parents[3]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
BOTH = {language: build_dashboards(language) for language in LANGUAGES}
EVERY = [
    pytest.param(content, id=f"{uid}-{language}") for language in LANGUAGES for uid, content in BOTH[language].items()
]
PANELS = [panel for board in DASHBOARDS for row in board.rows for panel in row.panels]


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows too; nothing is folded away."""
    panels: list[dict[str, Any]] = dashboard["panels"]
    return panels


def strings_in(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from strings_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from strings_in(value)


# ------------------------------------------------------------------ dashboards


@pytest.mark.parametrize("content", EVERY)
def test_the_sdk_reads_back_what_it_made(content: dict[str, Any]) -> None:
    register_default_plugins()
    register()
    assert as_json(Dashboard.from_json(content)) == content


def test_a_field_that_the_sdk_does_not_know_would_be_found() -> None:
    register_default_plugins()
    register()
    content = json.loads(json.dumps(BOTH["en"]["industry-brain-fleet"]))
    content["panels"][1]["titel"] = "x"
    assert as_json(Dashboard.from_json(content)) != content


@pytest.mark.parametrize("content", EVERY)
def test_ids_are_unique_and_panels_lie_beside_each_other(content: dict[str, Any]) -> None:
    panels = panels_of(content)
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert min(place["w"], place["h"]) >= 1
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert sorted(panels, key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"])) == panels


@pytest.mark.parametrize("content", EVERY)
def test_marks_and_limits_of_grafana_are_kept(content: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,40}", content["uid"])
    assert content["uid"].startswith(PREFIX)
    assert content["tags"] == [TAG]


def test_every_query_goes_to_the_data_source() -> None:
    for source in (DATA_SOURCE, "another"):
        for content in build_dashboards("en", source).values():
            found = {
                entry["uid"]
                for holder in [*panels_of(content), *content["templating"]["list"]]
                for entry in [holder.get("datasource"), *(target["datasource"] for target in holder.get("targets", []))]
                if entry
            }
            assert found == {source}


@pytest.mark.parametrize("content", EVERY)
def test_variables_that_are_used_are_there(content: dict[str, Any]) -> None:
    known = {variable["name"] for variable in content["templating"]["list"]}
    used = {name for text in strings_in(content) for name in re.findall(r"\$\{(\w+)(?::\w+)?\}", text)}
    assert used <= known | {"__url_time_range"}
    assert {"tenant", "site", "console"} <= known


@pytest.mark.parametrize("content", EVERY)
def test_the_tenant_is_shown_and_cannot_be_chosen(content: dict[str, Any]) -> None:
    tenant = next(variable for variable in content["templating"]["list"] if variable["name"] == "tenant")
    assert tenant["skipUrlSync"]
    assert not any(tenant[key] for key in ("multi", "includeAll", "allowCustomValue"))
    queries = [target["rawSql"] for panel in panels_of(content) for target in panel.get("targets", [])]
    assert not any("${tenant" in sql for sql in queries), "who sees what is the database's to say"


@pytest.fixture(scope="module")
def routes() -> set[str]:
    """Pages of the console."""
    create_app(ApiSettings(database_url="postgresql://localhost/none", storage_secret="none"))
    return {path for route in nicegui.app.routes if (path := getattr(route, "path", ""))}


@pytest.mark.parametrize("content", EVERY)
def test_links_lead_to_dashboards_and_pages_that_exist(content: dict[str, Any], routes: set[str]) -> None:
    urls = [link["url"] for link in content["links"]]
    for panel in panels_of(content):
        for override in panel.get("fieldConfig", {}).get("overrides", []):
            urls += [
                link["url"] for entry in override["properties"] if entry["id"] == "links" for link in entry["value"]
            ]
    for url in urls:
        path = url.partition("?")[0]
        if path.startswith("/d/"):
            assert path.removeprefix("/d/") in BOTH["en"], url
            parameters = re.findall(r"var-(\w+)=", url)
            target = BOTH["en"][path.removeprefix("/d/")]
            assert set(parameters) <= {variable["name"] for variable in target["templating"]["list"]}
        else:
            page = re.sub(r"\$\{[\w.]+\}", "{}", path.removeprefix("${console}"))
            assert page in {re.sub(r"\{\w+\}", "{}", route) for route in routes}, url


def test_one_comes_from_the_fleet_to_the_machine_to_the_console() -> None:
    ranking = next(panel for panel in panels_of(BOTH["en"]["industry-brain-fleet"]) if panel["type"] == "table")
    links = [
        link["url"].partition("?")[0]
        for override in ranking["fieldConfig"]["overrides"]
        for entry in override["properties"]
        if entry["id"] == "links"
        for link in entry["value"]
    ]
    assert links == ["/d/industry-brain-machine", "${console}/machines/${__data.fields.machine_id}"]
    machine = BOTH["en"]["industry-brain-machine"]
    assert "${console}/machines/${machine}" in [link["url"] for link in machine["links"]]


def test_every_query_of_the_historian_is_used_once_it_is_there() -> None:
    used = {panel.query for panel in PANELS} | {alert.query for alert in ALERTS}
    used |= {f"variables.{variable.name}" for board in DASHBOARDS for variable in board.variables}
    assert used == grafana_queries().keys()


def test_every_unit_of_a_template_has_its_panel() -> None:
    shown = [panel.units for panel in PANELS if panel.units]
    for template in template_library().values():
        for signal in template.signals:
            if signal.unit != "bool":
                found = [units for units in shown if (f"'{signal.unit}'" in units) != units.startswith("not in")]
                assert len(found) == 1, f"{template.key}.{signal.key} [{signal.unit}] is shown {len(found)} times"


def test_every_column_is_known_and_every_word_has_both_languages() -> None:
    for panel in PANELS:
        if panel.shape == "table":
            assert set(panel.columns) - {"time"} <= COLUMNS.keys(), panel.query
    assert set(COLUMNS) <= {name for panel in PANELS for name in panel.columns}
    for key, texts in TEXTS.items():
        assert len(texts) == 2
        assert all(texts), key
    for name, column in COLUMNS.items():
        if column.mapped:
            assert words(name, "en").keys() == words(name, "zh").keys()
    assert fault_library().keys() <= words("failure_mode", "zh").keys()


def test_chinese_titles_are_chinese() -> None:
    for content in BOTH["zh"].values():
        for title in (content["title"], *(panel["title"] for panel in panels_of(content))):
            assert re.search(r"[\u4e00-\u9fff]", title), title
    for rule in build_rules("zh").values():
        assert re.search(r"[\u4e00-\u9fff]", rule["title"])


# ------------------------------------------------------------------ alert rules


@pytest.mark.parametrize("language", LANGUAGES)
def test_alert_rules_are_the_sdk_s(language: Language) -> None:
    register_default_plugins()
    register()
    for uid, rule in build_rules(language).items():
        assert as_json(Rule.from_json(rule)) == rule
        assert uid == rule["uid"]
        assert re.fullmatch(r"industry-brain-[a-z-]{1,25}", uid)
        assert rule["labels"][LABEL] == TAG
        assert rule["condition"] in {query["refId"] for query in rule["data"]}
        assert rule["data"][0]["model"]["format"] == "table"


def test_alert_rules_hold_no_macro_and_nothing_that_files_would_fill_in() -> None:
    """Alert rules know no variables, and Grafana takes ``$NAME`` in a provisioning file for one of its environment."""
    for language in LANGUAGES:
        for rule in build_rules(language).values():
            assert not any("$" in text for text in strings_in(rule)), rule["uid"]


def test_alert_rules_lead_to_pages(routes: set[str]) -> None:
    for rule in build_rules("en", console_url="https://brain.example/").values():
        assert rule["annotations"]["runbook_url"].removeprefix("https://brain.example") in routes
    assert all(f"{PREFIX}{alert.dashboard}" in BOTH["en"] for alert in ALERTS)


# ------------------------------------------------------------------ files


def test_the_files_of_docker_compose_are_fresh() -> None:
    stale = stale_files(ROOT / "deploy" / "grafana", provisioning_files("en", COMPOSE))
    assert stale == [], "renew with: brain grafana export --dir deploy/grafana"
    there = {
        path.relative_to(ROOT / "deploy" / "grafana").as_posix() for path in (ROOT / "deploy" / "grafana").rglob("*.*")
    }
    assert there == provisioning_files("en", COMPOSE).keys()


def test_compose_mounts_what_the_files_name() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text())
    mounts = dict(volume.split(":")[:2][::-1] for volume in compose["services"]["grafana"]["volumes"])
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    files = provisioning_files("en", COMPOSE)
    provider = yaml.safe_load(files["provisioning/dashboards/industry-brain.yaml"])["providers"][0]
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    source = yaml.safe_load(files["provisioning/datasources/historian.yaml"])["datasources"][0]
    assert source["uid"] == DATA_SOURCE
    assert source["secureJsonData"] == {"password": "$GRAFANA_DATABASE_PASSWORD"}


def test_the_sdk_is_of_the_grafana_that_compose_runs() -> None:
    """The release for Grafana 12 has a plain number; one that ends in a version of Grafana is for that one."""
    compose = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text())
    assert compose["services"]["grafana"]["image"].startswith("grafana/grafana:12.")
    pinned = re.search(r'"grafana-foundation-sdk==([^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned is not None
    assert re.fullmatch(r"\d+", pinned[1])


def test_rules_in_files_are_those_that_are_pushed() -> None:
    content = yaml.safe_load(provisioning_files("zh")["provisioning/alerting/industry-brain.yaml"])
    group = content["groups"][0]
    pushed = build_rules("zh")
    assert [rule["uid"] for rule in group["rules"]] == list(pushed)
    for rule in group["rules"]:
        assert rule.items() <= pushed[rule["uid"]].items()
        assert pushed[rule["uid"]].keys() - rule.keys() == {"orgID", "folderUID", "ruleGroup"}


def test_export_writes_what_differs_and_takes_away_what_is_no_more(tmp_path: Path) -> None:
    files = provisioning_files("en", DataSource("db:5432", "brain"), "https://brain.example")
    assert set(export_files(tmp_path, files)) == files.keys()
    assert export_files(tmp_path, files) == []
    (tmp_path / "dashboards" / "industry-brain-old.json").write_text("{}")
    (tmp_path / "dashboards" / "theirs.json").write_text("{}")
    (tmp_path / "dashboards" / "industry-brain-fleet.json").write_text("{}")
    changed = ["dashboards/industry-brain-fleet.json", "dashboards/industry-brain-old.json"]
    assert stale_files(tmp_path, files) == changed
    assert export_files(tmp_path, files) == changed
    assert (tmp_path / "dashboards" / "theirs.json").exists()
    assert "https://brain.example" in (tmp_path / "dashboards" / "industry-brain-fleet.json").read_text()
