"""``brain grafana push`` against the stand-in: what is made, what is left alone, and what is said when it cannot be."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.grafana import DataSource, GrafanaError, Session, Wanted, connect, push
from api.grafana.pushing import Change, covers
from api.grafana.session import TRIES
from tests.grafana_stand_in import PERMISSIONS, TOKEN, Failing, GrafanaStandIn, served

pytestmark = pytest.mark.integration

WANTED = Wanted("en", DataSource("db.example:5432", "brain"), password="secret")


@pytest.fixture
def grafana() -> Iterator[GrafanaStandIn]:
    """An empty stand-in; every request must have been one of the published API."""
    with served(GrafanaStandIn()) as stand_in:
        yield stand_in
    assert stand_in.violations == []


class Pauses:
    """Sleeps for nothing, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def pushed(
    grafana: GrafanaStandIn, wanted: Wanted = WANTED, *, token: str = TOKEN, dry_run: bool = False, url: str = ""
) -> list[Change]:
    grafana.requests.clear()
    return list(push(Session(connect(url or grafana.url, token), Pauses()), wanted, dry_run=dry_run))


def actions(changes: list[Change]) -> set[str]:
    return {change.action for change in changes}


# ------------------------------------------------------------------ what it does


def test_an_empty_grafana_gets_everything_once(grafana: GrafanaStandIn) -> None:
    first = pushed(grafana)
    assert actions(first) == {"created"}
    assert [change.kind for change in first] == ["data source", "folder", *["dashboard"] * 4, *["alert rule"] * 4]
    assert grafana.folders["industry-brain"]["title"] == "Industry Brain"
    assert grafana.secrets["industry-brain"] == {"password": "secret"}
    assert {entry["meta"]["folderUid"] for entry in grafana.dashboards.values()} == {"industry-brain"}
    assert {rule["folderUID"] for rule in grafana.rules.values()} == {"industry-brain"}
    second = pushed(grafana)
    assert actions(second) == {"unchanged"}
    assert grafana.writes == []
    assert [change.uid for change in first] == [change.uid for change in second]


def test_a_dry_run_writes_nothing_and_says_the_same(grafana: GrafanaStandIn) -> None:
    would = pushed(grafana, dry_run=True)
    assert grafana.writes == []
    assert would == pushed(grafana)
    grafana.dashboards["industry-brain-old"] = old_dashboard("industry-brain-old", ["industry-brain"])
    chinese = replace(WANTED, language="zh")
    would = pushed(grafana, chinese, dry_run=True)
    assert grafana.writes == []
    assert would == pushed(grafana, chinese)
    assert actions(would) == {"updated", "unchanged", "removed"}


def test_another_language_changes_titles_in_place(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    changes = pushed(grafana, replace(WANTED, language="zh"))
    assert {change.kind for change in changes if change.action == "updated"} == {"folder", "dashboard", "alert rule"}
    assert grafana.folders["industry-brain"]["title"] == "产业大脑"
    assert grafana.dashboards["industry-brain-fleet"]["dashboard"]["title"] == "设备总览"
    assert actions(pushed(grafana, replace(WANTED, language="zh"))) == {"unchanged"}


def test_only_what_somebody_changed_is_put_back(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.dashboards["industry-brain-kpis"]["dashboard"]["panels"][1]["title"] = "Mine"
    grafana.dashboards["industry-brain-kpis"]["dashboard"]["version"] = 5
    grafana.rules["industry-brain-alarm-flood"]["for"] = "1h"
    grafana.intervals["industry-brain", "industry-brain"] = 300
    changes = [change for change in pushed(grafana) if change.action != "unchanged"]
    assert [change.uid for change in changes] == ["industry-brain-kpis", "industry-brain-alarm-flood", "industry-brain"]
    assert grafana.dashboards["industry-brain-kpis"]["dashboard"]["version"] == 6
    assert grafana.intervals["industry-brain", "industry-brain"] == 60
    assert actions(pushed(grafana)) == {"unchanged"}


def test_what_grafana_adds_of_its_own_is_no_difference(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    for entry in grafana.dashboards.values():
        entry["dashboard"] |= {"schemaVersion": 42, "gnetId": None, "weekStart": ""}
        entry["dashboard"]["panels"][1] |= {"pluginVersion": "12.4.4"}
    grafana.data_sources["industry-brain"]["jsonData"]["tlsAuth"] = True
    grafana.data_sources["industry-brain"]["isDefault"] = True
    assert actions(pushed(grafana)) == {"unchanged"}


def test_a_moved_dashboard_comes_back_into_its_folder(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.dashboards["industry-brain-fleet"]["meta"]["folderUid"] = ""
    changed = [change.uid for change in pushed(grafana) if change.action == "updated"]
    assert changed == ["industry-brain-fleet"]


def old_dashboard(uid: str, tags: list[str]) -> dict[str, object]:
    return {"dashboard": {"uid": uid, "title": uid, "tags": tags, "id": 99, "version": 1}, "meta": {"folderUid": ""}}


def test_what_is_no_longer_ours_goes_and_nothing_of_others(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    rule = copy.deepcopy(grafana.rules["industry-brain-link-lost"])
    grafana.dashboards |= {
        "industry-brain-old": old_dashboard("industry-brain-old", ["industry-brain"]),
        "industry-brain-theirs": old_dashboard("industry-brain-theirs", ["pumps"]),  # our prefix, not our tag
        "theirs": old_dashboard("theirs", ["industry-brain"]),  # our tag, not our prefix
    }
    grafana.rules |= {
        "industry-brain-old-rule": rule | {"uid": "industry-brain-old-rule"},
        "industry-brain-their-rule": rule | {"uid": "industry-brain-their-rule", "labels": {"team": "pumps"}},
        "their-rule": rule | {"uid": "their-rule"},
    }
    grafana.folders["theirs"] = {"uid": "theirs", "title": "Theirs", "version": 1}
    changes = pushed(grafana)
    assert [change.uid for change in changes if change.action == "removed"] == [
        "industry-brain-old", "industry-brain-old-rule",
    ]  # fmt: skip
    assert {"industry-brain-theirs", "theirs"} <= grafana.dashboards.keys()
    assert {"industry-brain-their-rule", "their-rule"} <= grafana.rules.keys()
    assert "theirs" in grafana.folders
    assert actions(pushed(grafana)) == {"unchanged"}


def test_their_rules_in_our_group_outlive_a_new_interval(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.rules["theirs"] = copy.deepcopy(grafana.rules["industry-brain-link-lost"]) | {"uid": "theirs", "labels": {}}
    grafana.intervals["industry-brain", "industry-brain"] = 10
    pushed(grafana)
    assert "theirs" in grafana.rules


def test_a_data_source_that_is_there_is_used_and_not_touched(grafana: GrafanaStandIn) -> None:
    grafana.data_sources["mine"] = {"uid": "mine", "name": "Mine", "type": "grafana-postgresql-datasource"}
    pushed(grafana, Wanted("en", "mine"))
    assert list(grafana.data_sources) == ["mine"]
    panel = grafana.dashboards["industry-brain-fleet"]["dashboard"]["panels"][1]
    assert panel["targets"][0]["datasource"]["uid"] == "mine"
    assert grafana.rules["industry-brain-link-lost"]["data"][0]["datasourceUid"] == "mine"


def test_the_password_is_sent_when_it_is_new_and_when_asked_for(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    without = replace(WANTED, password=None)
    assert actions(pushed(grafana, without)) == {"unchanged"}
    moved = replace(without, data_source=DataSource("other.example:5432", "brain"))
    grafana.data_sources["industry-brain"]["jsonData"]["tlsAuth"] = True
    pushed(grafana, moved)
    assert grafana.data_sources["industry-brain"]["url"] == "other.example:5432"
    assert grafana.data_sources["industry-brain"]["jsonData"]["tlsAuth"] is True
    assert grafana.secrets["industry-brain"] == {"password": "secret"}
    pushed(grafana, replace(moved, password="newer"))
    assert grafana.secrets["industry-brain"] == {"password": "secret"}
    pushed(grafana, replace(moved, password="newer", renew_password=True))
    assert grafana.secrets["industry-brain"] == {"password": "newer"}


def test_a_grafana_below_a_path_is_found(grafana: GrafanaStandIn) -> None:
    with pytest.raises(GrafanaError, match=r"not Grafana's API.*--url"):
        pushed(grafana, url=f"{grafana.url}/grafana")
    assert grafana.requests == [("GET", "/grafana/api/datasources/uid/industry-brain")]
    assert actions(pushed(grafana, url=f"{grafana.url}/")) == {"created"}
    grafana.below = "/grafana"
    for url in ("/grafana", "/grafana/"):
        assert actions(pushed(grafana, url=grafana.url + url)) == {"unchanged"}


def test_pages_of_search_are_read_to_the_end(grafana: GrafanaStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.grafana.pushing._PAGE", 3)
    pushed(grafana)
    for number in range(7):
        uid = f"industry-brain-old-{number}"
        grafana.dashboards[uid] = old_dashboard(uid, ["industry-brain"])
    assert sum(change.action == "removed" for change in pushed(grafana)) == 7


# ------------------------------------------------------------------ what it says when it cannot


def refused(grafana: GrafanaStandIn, wanted: Wanted = WANTED, **how: str) -> str:
    with pytest.raises(GrafanaError) as refusal:
        pushed(grafana, wanted, **how)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_wrong_token_is_said(grafana: GrafanaStandIn) -> None:
    said = refused(grafana, token="wrong")
    assert "does not know the token" in said
    assert "Service accounts" in said
    assert len(grafana.requests) == 1


@pytest.mark.parametrize("missing", sorted(PERMISSIONS))
def test_a_missing_permission_is_named(grafana: GrafanaStandIn, missing: str) -> None:
    if missing.endswith((":write", ":delete")):
        pushed(grafana)
        grafana.folders["industry-brain"]["title"] = "Changed"
        grafana.data_sources["industry-brain"]["url"] = "changed"
        grafana.dashboards["industry-brain-fleet"]["dashboard"]["title"] = "Changed"
        grafana.dashboards["industry-brain-old"] = old_dashboard("industry-brain-old", ["industry-brain"])
        grafana.rules["industry-brain-link-lost"]["title"] = "Changed"
    grafana.permissions.remove(missing)
    said = refused(grafana)
    assert missing in said
    assert "docs/grafana.md" in said


def test_the_rights_on_the_page_are_those_that_are_needed() -> None:
    """Those above, each of which is missed when it is not there; with all of them everything else here works."""
    page = (Path(__file__).parents[2] / "docs" / "grafana.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w.]+:\w+)` \|", page, re.MULTILINE)) == PERMISSIONS


def test_names_that_others_have_are_said(grafana: GrafanaStandIn) -> None:
    grafana.folders["theirs"] = {"uid": "theirs", "title": "Industry Brain", "version": 1}
    assert "cannot save folder Industry Brain: something else has its name" in refused(grafana)
    grafana.data_sources.clear()
    grafana.data_sources["theirs"] = {"uid": "theirs", "name": "Industry Brain", "type": "x"}
    assert "cannot save data source industry-brain: something else has its name" in refused(grafana)


def test_things_with_our_uid_that_are_not_ours_are_left_alone(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.dashboards["industry-brain-fleet"]["dashboard"]["tags"] = []
    assert "somebody else's" in refused(grafana)
    grafana.dashboards["industry-brain-fleet"]["dashboard"]["tags"] = ["industry-brain"]
    grafana.rules["industry-brain-link-lost"]["labels"] = {}
    assert "somebody else's" in refused(grafana)
    grafana.data_sources["industry-brain"]["type"] = "mysql"
    assert "is of type mysql" in refused(grafana)
    assert grafana.writes == []


def test_what_comes_from_files_is_left_to_them(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.data_sources["industry-brain"] |= {"readOnly": True}
    for entry in grafana.dashboards.values():
        entry["meta"]["provisioned"] = True
    for rule in grafana.rules.values():
        rule["provenance"] = "file"
    assert actions(pushed(grafana)) == {"unchanged"}
    grafana.rules["industry-brain-link-lost"]["for"] = "1h"
    assert "brain grafana export" in refused(grafana)
    grafana.dashboards["industry-brain-fleet"]["dashboard"]["title"] = "x"
    assert "brain grafana export" in refused(grafana)
    grafana.data_sources["industry-brain"]["url"] = "x"
    assert "brain grafana export" in refused(grafana)


def test_a_data_source_that_is_not_there_is_said(grafana: GrafanaStandIn) -> None:
    assert "--database" in refused(grafana, Wanted("en", "nowhere"))
    assert "needs the password of grafana_reader" in refused(grafana, replace(WANTED, password=None))


@pytest.mark.parametrize("path", ["/api/folders/industry-brain", "/api/dashboards/db"])
def test_a_change_by_somebody_at_the_same_time_is_said(grafana: GrafanaStandIn, path: str) -> None:
    pushed(grafana)
    grafana.folders["industry-brain"]["title"] = "Changed"
    grafana.dashboards["industry-brain-fleet"]["dashboard"]["title"] = "Changed"
    method = "PUT" if "folders" in path else "POST"
    grafana.failing = [Failing(method, path, 412, 1)]
    assert "somebody changed it at the same time" in refused(grafana)
    assert "updated" in actions(pushed(grafana))


def test_the_stand_in_itself_refuses_an_old_version(grafana: GrafanaStandIn) -> None:
    """As Grafana does: without this the test above would prove nothing of what is sent."""
    pushed(grafana)
    api = connect(grafana.url, TOKEN)
    content = grafana.dashboards["industry-brain-fleet"]["dashboard"]
    for wrong in ({"version": 77}, {"id": None}):
        with pytest.raises(Exception, match="412"):
            api.dashboard.update_dashboard({"dashboard": content | wrong, "folderUid": "industry-brain"})


def test_a_rule_that_vanishes_meanwhile_is_said(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.rules["industry-brain-link-lost"]["title"] = "Changed"
    grafana.failing = [Failing("PUT", "/api/v1/provisioning/alert-rules/", 404, 1)]
    assert "gone since it was looked at" in refused(grafana)


# ------------------------------------------------------------------ what is tried again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_looking_is_tried_again_with_longer_pauses(grafana: GrafanaStandIn, status: int) -> None:
    grafana.failing = [Failing("GET", "/api/datasources/", status, TRIES - 1)]
    pauses = Pauses()
    changes = list(push(Session(connect(grafana.url, TOKEN), pauses), WANTED))
    assert actions(changes) == {"created"}
    assert pauses.slept == [0.5, 1.0, 2.0]


def test_it_gives_up_in_the_end(grafana: GrafanaStandIn) -> None:
    grafana.failing = [Failing("GET", "/api/datasources/", 503, 100)]
    said = refused(grafana)
    assert "Grafana fails with 503 (out of order)" in said
    assert len(grafana.requests) == TRIES


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/api/folders", "folders"),
        ("/api/datasources", "data_sources"),
        ("/api/dashboards/db", "dashboards"),
        ("/api/v1/provisioning/alert-rules", "rules"),
    ],
)
def test_making_is_never_repeated_unseen(grafana: GrafanaStandIn, path: str, kept: str) -> None:
    """The call was carried out and its answer lost: the next push finds the thing there, and makes no second one."""
    grafana.failing = [Failing("POST", path, 502, 1, carried_out=True)]
    assert "the next push goes on" in refused(grafana)
    assert [request for request in grafana.writes if request[1] == path] == [("POST", path)]
    assert len(getattr(grafana, kept)) == 1
    changes = pushed(grafana)
    assert actions(changes) == {"unchanged", "created"}
    assert actions(pushed(grafana)) == {"unchanged"}


def test_replacing_and_removing_are_tried_again(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    grafana.dashboards["industry-brain-old"] = old_dashboard("industry-brain-old", ["industry-brain"])
    grafana.rules["industry-brain-link-lost"]["title"] = "Changed"
    grafana.failing = [
        Failing("PUT", "/api/v1/provisioning/alert-rules/", 502, 1),
        # Carried out, and told otherwise: the second try finds nothing, which is what was wanted.
        Failing("DELETE", "/api/dashboards/uid/", 502, 1, carried_out=True),
    ]
    assert {"updated", "removed"} <= actions(pushed(grafana))
    assert actions(pushed(grafana)) == {"unchanged"}


def test_nobody_at_the_address_is_said(grafana: GrafanaStandIn) -> None:
    assert "no Grafana answers" in refused(grafana, url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "url", ["grafana.example", "ftp://grafana.example", "http://admin:x@grafana.example", "http://g/?a"]
)
def test_a_wrong_address_is_said(url: str) -> None:
    with pytest.raises(GrafanaError, match="address"):
        connect(url, TOKEN)


def test_differences_that_count() -> None:
    assert covers({"a": [1, {"b": None}], "more": 1}, {"a": [1, {"b": None}]})
    assert not covers({"a": [1, 2]}, {"a": [1]})
    assert not covers({"a": {}}, {"a": []})
    assert not covers({}, {"a": 0})
    assert covers({}, {"a": "", "b": [], "c": False, "d": {}})
    assert not covers({"c": True}, {"c": False})


def test_an_encryption_that_somebody_chose_stays_unless_another_is_asked_for(grafana: GrafanaStandIn) -> None:
    source = DataSource("db.example:5432", "brain", ssl_mode="verify-full")
    pushed(grafana, replace(WANTED, data_source=source))
    assert actions(pushed(grafana)) == {"unchanged"}
    pushed(grafana, replace(WANTED, data_source=replace(source, ssl_mode="disable")))
    assert grafana.data_sources["industry-brain"]["jsonData"]["sslmode"] == "disable"


def test_a_new_data_source_is_encrypted(grafana: GrafanaStandIn) -> None:
    pushed(grafana)
    assert grafana.data_sources["industry-brain"]["jsonData"]["sslmode"] == "require"
