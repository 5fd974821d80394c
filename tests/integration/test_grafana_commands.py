"""``brain grafana`` as a person runs it, against the stand-in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grafana_stand_in import TOKEN, GrafanaStandIn, served

pytestmark = pytest.mark.integration


@pytest.fixture
def grafana() -> Iterator[GrafanaStandIn]:
    with served(GrafanaStandIn()) as stand_in:
        yield stand_in
    assert stand_in.violations == []


def brain(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BRAIN_")} | variables
    return subprocess.run(
        [sys.executable, "-m", "brain", "grafana", *words],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_push_twice_from_files(grafana: GrafanaStandIn, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "password").write_text("secret\n")
    words = (
        "push", "--url", grafana.url, "--token-file", "token", "--database", "db.example:5432/plant",
        "--password-file", "password", "--console-url", "https://brain.example", "--json",
    )  # fmt: skip
    for expected in ("would be created", "created", "unchanged"):
        dry = ("--dry-run",) if expected.startswith("would") else ()
        ran = brain(*words, *dry, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        *lines, last = ran.stdout.splitlines()
        assert all(line.startswith(expected) for line in lines)
        said = json.loads(last)
        assert said["dry_run"] == bool(dry)
        assert [item["action"] for item in said["items"]] == [expected.removeprefix("would be ")] * 10
        assert TOKEN not in ran.stdout + ran.stderr
        assert "secret" not in ran.stdout + ran.stderr
    source = grafana.data_sources["industry-brain"]
    assert (source["url"], source["jsonData"]["database"]) == ("db.example:5432", "plant")
    assert grafana.secrets["industry-brain"] == {"password": "secret"}


def test_token_database_and_password_may_come_from_the_environment(grafana: GrafanaStandIn, tmp_path: Path) -> None:
    variables = {
        "BRAIN_GRAFANA_TOKEN": TOKEN,
        "BRAIN_GRAFANA_DATABASE_PASSWORD": "secret",
        "BRAIN_DATABASE_URL": "postgresql://brain:owners@db.example/brain",
    }
    assert brain("push", "--url", grafana.url, cwd=tmp_path, **variables).returncode == 0
    assert grafana.data_sources["industry-brain"]["url"] == "db.example:5432"
    assert grafana.data_sources["industry-brain"]["user"] == "grafana_reader"
    # Once it is there, nothing more than address and token is needed.
    ran = brain("push", "--url", grafana.url, cwd=tmp_path, BRAIN_GRAFANA_TOKEN=TOKEN)
    assert ran.returncode == 0
    assert "created" not in ran.stdout


@pytest.mark.parametrize(
    ("words", "variables", "code", "said"),
    [
        (("push",), {"BRAIN_GRAFANA_TOKEN": TOKEN}, 1, "--database"),
        (("push",), {}, 1, "no token"),
        (("push",), {"BRAIN_GRAFANA_TOKEN": "wrong"}, 1, "does not know the token"),
        (("push", "--language", "fr"), {"BRAIN_GRAFANA_TOKEN": TOKEN}, 2, "en or zh"),
        (("push", "--database", "db.example"), {"BRAIN_GRAFANA_TOKEN": TOKEN}, 2, "db.example.com:5432/brain"),
        (("push", "--database", "d:1/b", "--ssl-mode", "maybe"), {"BRAIN_GRAFANA_TOKEN": TOKEN}, 2, "verify-full"),
        (
            ("push", "--database", "d:1/b", "--data-source", "x"),
            {"BRAIN_GRAFANA_TOKEN": TOKEN},
            2,
            "make a data source",
        ),
    ],
)
def test_what_is_missing_is_said(
    grafana: GrafanaStandIn, tmp_path: Path, words: tuple[str, ...], variables: dict[str, str], code: int, said: str
) -> None:
    ran = brain(*words, "--url", grafana.url, cwd=tmp_path, **variables)
    assert ran.returncode == code
    assert said in " ".join(ran.stderr.replace("│", "").split())
    assert "Traceback" not in ran.stderr
    assert grafana.writes == []


def test_export_and_check(tmp_path: Path) -> None:
    words = ("export", "--dir", "out", "--language", "zh", "--database", "db.example:5432/brain")
    ran = brain(*words, "--check", cwd=tmp_path)
    assert ran.returncode == 1
    assert "stale" in ran.stderr
    assert brain(*words, cwd=tmp_path).returncode == 0
    assert brain(*words, "--check", cwd=tmp_path).returncode == 0
    fleet = json.loads((tmp_path / "out" / "dashboards" / "industry-brain-fleet.json").read_text())
    assert fleet["title"] == "设备总览"
    assert "db.example:5432" in (tmp_path / "out" / "provisioning" / "datasources" / "historian.yaml").read_text()
