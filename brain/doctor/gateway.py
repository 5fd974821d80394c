"""A gateway's link: whether `brain edge` runs, when it last forwarded, what waits."""

import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urljoin

from brain.doctor.answer import Answer
from brain.doctor.network import broker_log_in, way, web_clock
from brain.edge import Credential, link_of
from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.services.edge import site_of
from brain.settings import Settings
from collectors import Memory
from ingest import Place, lane_bytes, lane_directory

LANE = "edge"
_SILENT_S = 10.0
_LATE_S = 60.0


def is_gateway(settings: Settings) -> bool:
    """Whether this is a gateway: it is enrolled or has a broker to forward to, and no database."""
    forwards = settings.edge.url is not None or (settings.edge_dir / "credential.json").is_file()
    return forwards and settings.database_url is None


def positions(settings: Settings) -> Mapping[str, Place]:
    """How far the spool has been forwarded."""
    try:
        link = link_of(settings.edge, settings.edge_dir)
    except Failure:
        return {}
    known = Memory(settings.edge_dir, "link", link.gateway).load()
    return {LANE: Place(int(known["segment"]), int(known["byte_offset"]))} if "segment" in known else {}


def ready(settings: Settings) -> list[Answer]:
    """What keeps `brain edge` from starting, or from reading its own spool."""
    answers = []
    try:
        site_of(settings, link_of(settings.edge, settings.edge_dir))
    except Failure as problem:
        fix = "correct [[machines]] in the settings file"
        answers.append(Answer("edge machines", "problem", str(problem), fix))
    signals = settings.edge_dir / "signals.json"
    if not signals.is_file() and lane_bytes(lane_directory(settings.spool_dir, LANE)):
        found = f"{signals} is not there: nobody can tell which signals the spool's readings are of"
        fix = "bring it back from a backup before `brain edge` starts; else move the spool away: it cannot be read"
        answers.append(Answer("edge signals", "problem", found, fix))
    return answers


async def link(settings: Settings) -> AsyncIterator[Answer]:
    """The way to the cloud, a log-in there, and what the forwarder says of itself."""
    try:
        found = link_of(settings.edge, settings.edge_dir)
        credential = Credential.of(settings.edge_dir)
    except Failure as problem:
        yield Answer("edge link", "problem", str(problem), "`brain edge enrol`")
        return
    reached = False
    async for answer in way("edge link", found.url):
        reached = answer.check.startswith("port") and answer.level == "ok"
        yield answer
    if reached or found.url.startswith("mqtts"):
        yield await broker_log_in("edge link", found.url, found.session())
    if credential is not None and credential.cloud_url:
        async for answer in way("cloud", credential.cloud_url):
            yield answer
        context = found.tls.context() if credential.ca and credential.cloud_url.startswith("https") else None
        yield await web_clock("cloud", urljoin(credential.cloud_url, "/healthz"), context)
    yield _forwarding(settings)


def _forwarding(settings: Settings) -> Answer:
    state = RunDirectory(settings.data_dir).read(LANE)
    status = state.get("link")
    if not status or time.time() - state.get("at", 0) / 1e6 > _SILENT_S:
        return Answer("edge link", "problem", "`brain edge` does not run here", "start it (deploy/edge has a unit)")
    last = status["last_forwarded_us"]
    age = None if last is None else time.time() - last / 1e6
    words = "nothing forwarded yet" if age is None else f"last forwarded {age:,.0f} s ago"
    words += f"; {status['waiting_bytes'] / 1e6:,.1f} MB waiting"
    if status["dropped"]:
        words += f"; {status['dropped']:,} readings given up for want of room"
    if status.get("skipped_bytes"):
        words += f"; {status['skipped_bytes']:,} damaged bytes of the spool passed over"
    if not status["connected"]:
        fix = "see the answers above; what is collected waits in the spool meanwhile"
        return Answer("edge link", "problem", f"not connected ({status['last_error']}); {words}", fix)
    if status["waiting_bytes"] and (age is None or age > _LATE_S):
        return Answer("edge link", "warning", words, "connected, yet nothing is acknowledged: look at the broker")
    return Answer("edge link", "warning" if status["dropped"] else "ok", words, _DROPPED if status["dropped"] else "")


_DROPPED = "give spool_max_gb more room, or find out why the link was away so long"
