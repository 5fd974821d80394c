"""Brings somebody's Grafana to what the code says; what differs is made, changed or taken away, of ours alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from api.grafana.alerts import INTERVAL_S, build_rules
from api.grafana.dashboards import CONSOLE_URL, build_dashboards
from api.grafana.data_source import DataSource
from api.grafana.marks import DATA_SOURCE, DATA_SOURCE_TYPE, FOLDER, LABEL, PREFIX, RULE_GROUP, TAG
from api.grafana.session import GrafanaError, Session
from api.grafana.texts import Language, say

Action = Literal["created", "updated", "removed", "unchanged"]
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Grafana is to have.

    data_source: how Grafana reaches the historian, or the uid of one that it has; password: of its account, sent when
    the data source is made or changed, or ``renew_password`` asks for it: Grafana never tells what it has
    """

    language: Language
    data_source: DataSource | str
    password: str | None = None
    renew_password: bool = False
    console_url: str = CONSOLE_URL

    @property
    def source_uid(self) -> str:
        """Where queries go."""
        return self.data_source if isinstance(self.data_source, str) else DATA_SOURCE


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, or would be, to one thing."""

    kind: Literal["folder", "data source", "dashboard", "alert rule", "rule group"]
    uid: str
    action: Action


def push(session: Session, wanted: Wanted, *, dry_run: bool = False) -> Iterator[Change]:
    """Make it so, one thing after the other, in an order that what refers to a thing comes after it.

    Yields each when it is done. Raises :class:`GrafanaError` at the first that cannot be; what was done stays, and the
    next push goes on from there.
    """
    yield _data_source(session, wanted, dry_run)
    yield _folder(session, wanted, dry_run)
    yield from _dashboards(session, wanted, dry_run)
    yield from _rules(session, wanted, dry_run)


def covers(found: Any, wanted: Any) -> bool:
    """Whether everything we say is there as we say it; what Grafana adds, or leaves out as empty, does not count.

    >>> covers({"a": 1, "id": 7, "list": [{"b": 2.0}]}, {"a": 1, "none": None, "list": [{"b": 2}]})
    True
    """
    if found is None:
        return wanted in (None, "", [], {}) or wanted is False
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(covers(*pair) for pair in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)


def _folder(session: Session, wanted: Wanted, dry_run: bool) -> Change:
    api, title = session.api.folder, say("folder", wanted.language)
    what = f"folder {title}"
    found = session.find(what, lambda: api.get_folder(FOLDER))
    if found is None:
        if not dry_run:
            session.once(what, lambda: api.create_folder(title, FOLDER))
        return Change("folder", FOLDER, "created")
    if found["title"] == title:
        return Change("folder", FOLDER, "unchanged")
    if not dry_run:
        session.replace(what, lambda: api.update_folder(FOLDER, title=title, version=found.get("version")))
    return Change("folder", FOLDER, "updated")


def _data_source(session: Session, wanted: Wanted, dry_run: bool) -> Change:
    api, uid = session.api.datasource, wanted.source_uid
    what = f"data source {uid}"
    found = session.find(what, lambda: api.get_datasource_by_uid(uid))
    if found is not None and found["type"] != DATA_SOURCE_TYPE:
        raise GrafanaError(
            f"{what} is of type {found['type']}, not {DATA_SOURCE_TYPE}: name another with --data-source"
        )
    if isinstance(wanted.data_source, str):
        if found is None:
            raise GrafanaError(f"{what} is not there: say with --database how Grafana reaches the historian")
        return Change("data source", uid, "unchanged")
    if found is None:
        if not wanted.password:
            raise GrafanaError(f"{what} is new and needs the password of {wanted.data_source.user}")
        if not dry_run:
            new = wanted.data_source.new_body() | {"secureJsonData": {"password": wanted.password}}
            session.once(what, lambda: api.create_datasource(new))
        return Change("data source", uid, "created")
    # Which one is the default, and settings that nobody gave us, stay as somebody made them.
    body = wanted.data_source.body()
    del body["isDefault"]
    if covers(found, body) and not wanted.renew_password:
        return Change("data source", uid, "unchanged")
    if found.get("readOnly"):
        raise GrafanaError(
            f"{what} comes from provisioning files and differs: change it there (`brain grafana export`)"
        )
    changed = body | {
        "isDefault": found.get("isDefault", False),
        "version": found.get("version"),
        "jsonData": found.get("jsonData", {}) | body["jsonData"],
    }
    if wanted.password:
        changed["secureJsonData"] = {"password": wanted.password}
    if not dry_run:
        session.replace(what, lambda: api.update_datasource_by_uid(uid, changed))
    return Change("data source", uid, "updated")


def _dashboards(session: Session, wanted: Wanted, dry_run: bool) -> Iterator[Change]:
    dashboards = build_dashboards(wanted.language, wanted.source_uid, wanted.console_url)
    for uid, content in dashboards.items():
        yield Change("dashboard", uid, _dashboard(session, uid, content, dry_run))
    for uid in _left_over(session, dashboards):
        if not dry_run:
            session.remove(f"dashboard {uid}", partial(session.api.dashboard.delete_dashboard, uid))
        yield Change("dashboard", uid, "removed")


def _dashboard(session: Session, uid: str, content: dict[str, Any], dry_run: bool) -> Action:
    api, what = session.api.dashboard, f"dashboard {uid}"
    found = session.find(what, lambda: api.get_dashboard(uid))
    if found is not None:
        is_ours = TAG in (found["dashboard"].get("tags") or [])
        if not is_ours:
            raise GrafanaError(f"{what} lacks the tag {TAG}: it is somebody else's. Give it the tag, or another uid")
        in_place = found["meta"].get("folderUid") == FOLDER
        # Grafana raises the schema's version by itself.
        said = {key: value for key, value in content.items() if key != "schemaVersion"}
        if in_place and covers(found["dashboard"], said):
            return "unchanged"
        if found["meta"].get("provisioned"):
            raise GrafanaError(f"{what} comes from provisioning files: renew those with `brain grafana export` instead")
    body = {
        "dashboard": content
        | ({key: found["dashboard"].get(key) for key in ("id", "version")} if found else {"id": None}),
        "folderUid": FOLDER,
        "overwrite": False,
        "message": "brain grafana push",
    }
    if not dry_run:
        session.once(what, lambda: api.update_dashboard(body))
    return "updated" if found else "created"


def _left_over(session: Session, dashboards: dict[str, dict[str, Any]]) -> list[str]:
    """Dashboards that carry both our marks and are no longer in the code."""
    found: list[str] = []
    search = partial(session.api.search.search_dashboards, tag=TAG, type_="dash-db", limit=_PAGE)
    for page in range(1, 100):
        rows = session.find("dashboards of ours", partial(search, page=page))
        found += (
            row["uid"]
            for row in rows or []
            if row["uid"].startswith(PREFIX) and TAG in row.get("tags", []) and row["uid"] not in dashboards
        )
        if len(rows or []) < _PAGE:
            break
    return found


def _rules(session: Session, wanted: Wanted, dry_run: bool) -> Iterator[Change]:
    api = session.api.alertingprovisioning
    rules = build_rules(wanted.language, wanted.source_uid, wanted.console_url)
    there = {rule["uid"]: rule for rule in session.find("alert rules", api.get_alertrules_all) or []}
    for uid, rule in rules.items():
        yield Change("alert rule", uid, _rule(session, there.get(uid), rule, dry_run))
    for uid, rule in there.items():
        ours = uid.startswith(PREFIX) and (rule.get("labels") or {}).get(LABEL) == TAG
        if ours and uid not in rules:
            if not dry_run:
                session.remove(f"alert rule {uid}", partial(api.delete_alertrule, uid))
            yield Change("alert rule", uid, "removed")
    yield from _rule_group(session, dry_run)


def _rule(session: Session, found: dict[str, Any] | None, rule: dict[str, Any], dry_run: bool) -> Action:
    api, uid = session.api.alertingprovisioning, rule["uid"]
    what = f"alert rule {uid}"
    if found is None:
        if not dry_run:
            session.once(what, lambda: api.create_alertrule(rule))
        return "created"
    if (found.get("labels") or {}).get(LABEL) != TAG:
        raise GrafanaError(
            f"{what} lacks the label {LABEL}={TAG}: it is somebody else's. Give it the label, or another uid"
        )
    # The token's organisation counts, whatever number is sent.
    said = {key: value for key, value in rule.items() if key != "orgID"}
    if covers(found, said):
        return "unchanged"
    if found.get("provenance") == "file":
        raise GrafanaError(f"{what} comes from provisioning files: renew those with `brain grafana export` instead")
    if not dry_run:
        session.replace(what, lambda: api.update_alertrule(uid, rule))
    return "updated"


def _rule_group(session: Session, dry_run: bool) -> Iterator[Change]:
    """How often the rules are looked at belongs to their group; it is put back with all the rules that are in it."""
    api, what = session.api.alertingprovisioning, f"rule group {RULE_GROUP}"
    group = session.find(what, lambda: api.get_rule_group(FOLDER, RULE_GROUP))
    if group is None or group.get("interval") == INTERVAL_S:
        return
    if not dry_run:
        changed = group | {"interval": INTERVAL_S}
        session.replace(what, lambda: api.update_rule_group(FOLDER, RULE_GROUP, changed))
    yield Change("rule group", RULE_GROUP, "updated")
