"""A stand-in for Grafana's HTTP API: not Grafana, and no proof that Grafana does the same.

It knows the calls below as https://grafana.com/docs/grafana/latest/developers/http_api/ publishes them (folder, data
source, dashboard, search, alerting provisioning): paths, fields with their types, permissions, status codes. A request
that is not like that is answered with 400 and kept in ``violations``, so that a test fails on it in any case.
"""

import copy
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

TOKEN = "glsa_only-for-tests"
Json = dict[str, Any]

TEXT, TRUTH, NUMBER, WHOLE, THING = str, bool, (int, float), int, dict
ALERT_RULE = {
    "annotations": THING, "condition": TEXT, "data": list, "execErrState": TEXT, "folderUID": TEXT, "for": TEXT,
    "id": WHOLE, "isPaused": TRUTH, "keep_firing_for": TEXT, "labels": THING, "missingSeriesEvalsToResolve": WHOLE,
    "noDataState": TEXT, "notification_settings": THING, "orgID": WHOLE, "provenance": TEXT, "record": THING,
    "ruleGroup": TEXT, "title": TEXT, "uid": TEXT, "updated": TEXT,
}  # fmt: skip
RULE_NEEDS = ("condition", "data", "execErrState", "folderUID", "for", "noDataState", "orgID", "ruleGroup", "title")
ALERT_QUERY = {
    "datasourceUid": TEXT, "model": THING, "queryType": TEXT, "refId": TEXT, "relativeTimeRange": THING
}  # fmt: skip
DATA_SOURCE = {
    "access": TEXT, "basicAuth": TRUTH, "basicAuthUser": TEXT, "database": TEXT, "isDefault": TRUTH, "jsonData": THING,
    "name": TEXT, "secureJsonData": THING, "type": TEXT, "uid": TEXT, "url": TEXT, "user": TEXT,
    "withCredentials": TRUTH,
}  # fmt: skip
SAVE_DASHBOARD = {"dashboard": THING, "folderUid": TEXT, "folderId": WHOLE, "message": TEXT, "overwrite": TRUTH}


@dataclass(frozen=True)
class Call:
    """A published call: which permission it needs, what its body and its query may hold."""

    permission: str
    fields: Json = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/api/folders/{uid}"): Call("folders:read"),
    ("POST", "/api/folders"): Call(
        "folders:create", {"uid": TEXT, "title": TEXT, "parentUid": TEXT, "description": TEXT}, ("title",)
    ),
    ("PUT", "/api/folders/{uid}"): Call(
        "folders:write", {"title": TEXT, "version": WHOLE, "overwrite": TRUTH, "description": TEXT}, ("title",)
    ),
    ("GET", "/api/datasources/uid/{uid}"): Call("datasources:read"),
    ("POST", "/api/datasources"): Call("datasources:create", DATA_SOURCE, ("name", "type", "access")),
    ("PUT", "/api/datasources/uid/{uid}"): Call(
        "datasources:write", DATA_SOURCE | {"version": WHOLE}, ("name", "type", "access")
    ),
    ("GET", "/api/dashboards/uid/{uid}"): Call("dashboards:read"),
    ("POST", "/api/dashboards/db"): Call("dashboards:create", SAVE_DASHBOARD, ("dashboard",)),
    ("DELETE", "/api/dashboards/uid/{uid}"): Call("dashboards:delete"),
    ("GET", "/api/search"): Call("dashboards:read", query=("query", "tag", "type", "folderUIDs", "limit", "page")),
    ("GET", "/api/v1/provisioning/alert-rules"): Call("alert.provisioning:read"),
    ("POST", "/api/v1/provisioning/alert-rules"): Call("alert.provisioning:write", ALERT_RULE, RULE_NEEDS),
    ("PUT", "/api/v1/provisioning/alert-rules/{uid}"): Call("alert.provisioning:write", ALERT_RULE, RULE_NEEDS),
    ("DELETE", "/api/v1/provisioning/alert-rules/{uid}"): Call("alert.provisioning:write"),
    ("GET", "/api/v1/provisioning/folder/{folder}/rule-groups/{group}"): Call("alert.provisioning:read"),
    ("PUT", "/api/v1/provisioning/folder/{folder}/rule-groups/{group}"): Call(
        "alert.provisioning:write", {"title": TEXT, "folderUid": TEXT, "interval": WHOLE, "rules": list}, ("interval",)
    ),
}
PERMISSIONS = frozenset({call.permission for call in CALLS.values()} | {"dashboards:write"})


@dataclass
class Failing:
    """Requests that go wrong: the next ``times`` whose method and path begin so are answered with ``status``."""

    method: str
    path: str
    status: int
    times: int
    carried_out: bool = False


class Answer(Exception):
    """A status other than 200, with Grafana's own words."""

    def __init__(self, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.code, self.body = code, {"message": message, **more}


class GrafanaStandIn:
    """State, requests seen, and what was wrong with them."""

    def __init__(self) -> None:
        self.folders: dict[str, Json] = {}
        self.data_sources: dict[str, Json] = {}
        self.secrets: dict[str, Json] = {}
        self.dashboards: dict[str, Json] = {}
        self.rules: dict[str, Json] = {}
        self.intervals: dict[tuple[str, str], int] = {}
        self.permissions = set(PERMISSIONS)
        self.requests: list[tuple[str, str]] = []
        self.violations: list[str] = []
        self.failing: list[Failing] = []
        self.url = ""
        self.below = ""  # the path of an address such as https://plant.example/grafana
        self._next_id = 1

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that were not only looking."""
        return [request for request in self.requests if request[0] != "GET"]

    # ------------------------------------------------------------ what each call does

    def handle(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        """(status, answer) of a request; raises :class:`Answer` for a refusal."""
        pattern, parts = self._matched(method, path)
        self._check(CALLS[method, pattern], f"{method} {path}", query, body)
        if method == "POST" and pattern == "/api/dashboards/db" and body["dashboard"].get("id"):
            self._permit("dashboards:write")
        else:
            self._permit(CALLS[method, pattern].permission)
        act: Callable[..., Any] = getattr(self, f"_{method.lower()}_{_name(pattern)}")
        answer = act(*parts, **({"query": query} if query else {}), **({"body": body} if body else {}))
        status = {"POST": 201, "DELETE": 204}.get(method, 200) if "provisioning" in path else 200
        return status, answer

    def _matched(self, method: str, path: str) -> tuple[str, tuple[str, ...]]:
        for known, pattern in CALLS:
            match = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", pattern), path)
            if match and known == method:
                return pattern, match.groups()
        self.violations.append(f"{method} {path} is not in the published API")
        raise Answer(404, "Not found")

    def _check(self, call: Call, where: str, query: Json, body: Json) -> None:
        wrong = [f"{where}: query {name} is not known" for name in query if name not in call.query]
        wrong += _wrong(body, call.fields, call.needs, where)
        rules = body.get("rules", [body] if "ruleGroup" in body else [])
        for rule in rules:
            wrong += _wrong(rule, ALERT_RULE, RULE_NEEDS, where)
            for entry in rule.get("data", []):
                wrong += _wrong(entry, ALERT_QUERY, ("refId", "datasourceUid", "model"), where)
            if rule.get("noDataState") not in ("Alerting", "NoData", "OK"):
                wrong.append(f"{where}: noDataState")
            if rule.get("execErrState") not in ("OK", "Alerting", "Error"):
                wrong.append(f"{where}: execErrState")
        for uid in (body.get("uid"), body.get("dashboard", {}).get("uid")):
            if uid is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", uid):
                wrong.append(f"{where}: uid {uid}")
        if wrong:
            self.violations += wrong
            raise Answer(400, wrong[0])

    def _permit(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Answer(
                403, f"You'll need additional permissions to perform this action. Permissions needed: {permission}"
            )

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _get_folder(self, uid: str) -> Json:
        return _there(self.folders, uid, "folder not found")

    def _post_folders(self, body: Json) -> Json:
        if body["uid"] in self.folders or any(entry["title"] == body["title"] for entry in self.folders.values()):
            raise Answer(409, "a folder with the same name already exists in the current location")
        self.folders[body["uid"]] = body | {"id": self._new_id(), "version": 1}
        return self.folders[body["uid"]]

    def _put_folder(self, uid: str, body: Json) -> Json:
        folder = _there(self.folders, uid, "folder not found")
        if body.get("version") != folder["version"] and not body.get("overwrite"):
            raise Answer(412, "The folder has been changed by someone else", status="version-mismatch")
        folder |= {"title": body["title"], "version": folder["version"] + 1}
        return folder

    def _get_datasource(self, uid: str) -> Json:
        return _there(self.data_sources, uid, "Data source not found")

    def _post_datasources(self, body: Json) -> Json:
        if any(entry["name"] == body["name"] or entry["uid"] == body["uid"] for entry in self.data_sources.values()):
            raise Answer(409, "data source with the same name already exists")
        return self._keep_source(body, {"id": self._new_id(), "orgId": 1, "version": 1, "readOnly": False})

    def _put_datasource(self, uid: str, body: Json) -> Json:
        source = _there(self.data_sources, uid, "Data source not found")
        if source["readOnly"]:
            raise Answer(403, "Cannot update read-only data source")
        if body.get("version", source["version"]) != source["version"]:
            raise Answer(409, "Datasource has already been updated by someone else. Please reload and try again")
        return self._keep_source(
            body, {key: source[key] for key in ("id", "orgId", "readOnly")} | {"version": source["version"] + 1}
        )

    def _keep_source(self, body: Json, more: Json) -> Json:
        secrets = self.secrets.setdefault(body["uid"], {})
        secrets |= body.get("secureJsonData", {})
        shown = {key: value for key, value in body.items() if key != "secureJsonData"}
        self.data_sources[body["uid"]] = (
            {"basicAuth": False, "database": "", "isDefault": False, "typeLogoUrl": "", "withCredentials": False}
            | shown
            | more
            | {"secureJsonFields": dict.fromkeys(secrets, True)}
        )
        return {"datasource": self.data_sources[body["uid"]], "message": "Datasource added", "name": body["name"]}

    def _get_dashboard(self, uid: str) -> Json:
        return _there(self.dashboards, uid, "Dashboard not found")

    def _post_db(self, body: Json) -> Json:
        dashboard, folder = body["dashboard"], body.get("folderUid", "")
        if folder and folder not in self.folders:
            raise Answer(400, "folder not found")
        uid = dashboard["uid"]
        kept = self.dashboards.get(uid)
        if kept and not body.get("overwrite"):
            if kept["meta"].get("provisioned"):
                raise Answer(400, "Cannot save provisioned dashboard")
            if dashboard.get("id") is None:
                raise Answer(412, "A dashboard with the same uid already exists", status="name-exists")
            if dashboard.get("version") != kept["dashboard"]["version"]:
                raise Answer(412, "The dashboard has been changed by someone else", status="version-mismatch")
        version = kept["dashboard"]["version"] + 1 if kept else 1
        number = kept["dashboard"]["id"] if kept else self._new_id()
        content = {key: value for key, value in dashboard.items() if value is not None}
        self.dashboards[uid] = {
            "dashboard": content | {"id": number, "version": version},
            "meta": {"folderUid": folder, "url": f"/d/{uid}/x", "isStarred": False},
        }
        return {"id": number, "uid": uid, "status": "success", "version": version, "url": f"/d/{uid}/x", "slug": "x"}

    def _delete_dashboard(self, uid: str) -> Json:
        gone = self.dashboards.pop(uid, None)
        if gone is None:
            raise Answer(404, "Dashboard not found")
        return {"title": gone["dashboard"]["title"], "message": "Dashboard deleted", "id": gone["dashboard"]["id"]}

    def _get_search(self, query: Json) -> list[Json]:
        limit, page = int(query.get("limit", 1000)), int(query.get("page", 1))
        rows = [
            {
                "uid": uid,
                "title": entry["dashboard"]["title"],
                "type": "dash-db",
                "tags": entry["dashboard"].get("tags", []),
            }
            for uid, entry in self.dashboards.items()
            if query.get("tag") in (None, *entry["dashboard"].get("tags", []))
        ]
        return rows[(page - 1) * limit : page * limit]

    def _get_alert_rules(self) -> list[Json]:
        return list(self.rules.values())

    def _post_alert_rules(self, body: Json) -> Json:
        if body["uid"] in self.rules:
            raise Answer(409, "a conflicting alert rule is found: rule UID under the same organisation")
        if body["folderUID"] not in self.folders:
            raise Answer(400, "folder does not exist")
        return self._keep_rule(body, self._new_id())

    def _put_alert_rule(self, uid: str, body: Json) -> Json:
        kept = _there(self.rules, uid, "could not find alert rule")
        if kept.get("provenance") == "file":
            raise Answer(409, "cannot change provenance from 'file' to 'api'")
        return self._keep_rule(body, kept["id"])

    def _keep_rule(self, body: Json, number: int) -> Json:
        rule = copy.deepcopy(body) | {"id": number, "orgID": 7, "provenance": "api", "updated": "2026-01-01T00:00:00Z"}
        for entry in rule["data"]:
            entry["model"] = {"intervalMs": 1000, "maxDataPoints": 43200} | entry["model"]
        self.rules[rule["uid"]] = rule
        self.intervals.setdefault((rule["folderUID"], rule["ruleGroup"]), 60)
        return rule

    def _delete_alert_rule(self, uid: str) -> None:
        self.rules.pop(uid, None)

    def _get_rule_group(self, folder: str, group: str) -> Json:
        rules = [rule for rule in self.rules.values() if (rule["folderUID"], rule["ruleGroup"]) == (folder, group)]
        if not rules:
            raise Answer(404, "rule group not found")
        return {"title": group, "folderUid": folder, "interval": self.intervals[folder, group], "rules": rules}

    def _put_rule_group(self, folder: str, group: str, body: Json) -> Json:
        self.intervals[folder, group] = body["interval"]
        kept = {rule["uid"] for rule in body["rules"]}
        for rule in self._get_rule_group(folder, group)["rules"]:
            if rule["uid"] not in kept:
                del self.rules[rule["uid"]]
        return body

    # ------------------------------------------------------------ served

    def app(self) -> FastAPI:
        """The stand-in as an application; everything goes through one door."""
        app = FastAPI(openapi_url=None)

        @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
        async def door(request: Request, path: str) -> Response:
            method, path = request.method, f"/{path}"
            self.requests.append((method, path))
            path = path.removeprefix(self.below)
            if not path.startswith("/api/"):
                return HTMLResponse("<html>Grafana</html>")
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"message": "Invalid API key"}, 401)
            failing = next(
                (f for f in self.failing if f.times and f.method == method and path.startswith(f.path)), None
            )
            if failing is not None:
                failing.times -= 1
                if not failing.carried_out:
                    return JSONResponse({"message": "out of order"}, failing.status)
            body = await request.json() if await request.body() else {}
            try:
                status, answer = self.handle(method, path, dict(request.query_params), body)
            except Answer as refusal:
                return JSONResponse(refusal.body, refusal.code)
            if failing is not None:
                return JSONResponse({"message": "out of order"}, failing.status)
            return Response(status_code=204) if status == 204 else JSONResponse(answer, status)

        return app


def _name(pattern: str) -> str:
    last = [part for part in pattern.split("/") if part and part != "uid"]
    if last[-1] == "{group}":
        return "rule_group"
    if last[-1].startswith("{"):
        return last[-2].removesuffix("s").replace("-", "_")
    return last[-1].replace("-", "_")


def _wrong(body: Json, fields: Json, needs: tuple[str, ...], where: str) -> list[str]:
    wrong = [f"{where}: field {name} is not known" for name in body if name not in fields]
    wrong += [f"{where}: field {name} is missing" for name in needs if name not in body]
    return wrong + [
        f"{where}: field {name} is {type(value).__name__}"
        for name, value in body.items()
        if name in fields and value is not None and not isinstance(value, fields[name])
    ]


def _there(kept: dict[str, Json], uid: str, message: str) -> Json:
    if uid not in kept:
        raise Answer(404, message)
    return kept[uid]


@contextmanager
def served(stand_in: GrafanaStandIn) -> Iterator[GrafanaStandIn]:
    """Serve it on a free port of this machine; ``url`` says where."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    stand_in.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(stand_in.app(), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield stand_in
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
