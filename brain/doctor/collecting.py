"""What the collectors say of themselves: whether they run, which sources they reach, whether anything comes."""

import time
from collections.abc import Mapping
from typing import Any

from brain.doctor.answer import Answer
from brain.rundir import RunDirectory
from brain.settings import Settings

_SILENT_S = 10.0


def collecting(settings: Settings, service: str) -> list[Answer]:
    """One answer a source; ``service``: "collect" or "edge". None where no source is set."""
    if not (settings.mqtt or settings.sparkplug or settings.opcua):
        return []
    directory = RunDirectory(settings.data_dir)
    states = [directory.read(path.stem) for path in sorted(directory.path.glob(f"{service}*.json"))]
    running = [state for state in states if time.time() - state.get("at", 0) / 1e6 < _SILENT_S]
    if not running:
        found = f"`brain {service}` does not run on {settings.data_dir}: nothing is collected here"
        fix = "start it, and look into its log if it ended; on another host, ask there"
        return [Answer("collector", "warning", found, fix)]
    return [_source(source) for state in running for source in state.get("sources", ())]


def _source(status: Mapping[str, Any]) -> Answer:
    check = f"collector: {status['name']}"
    words = f"{status['readings']:,} readings since it began"
    for key, what in (
        ("rejected", "refused, see the quarantine"),
        ("unbound", "variables not registered or refused"),
        ("dropped", "lost for want of room (QoS 0)"),
        ("gaps", "signals whose gap is not read back yet"),
        ("devices_offline", "devices away"),
        ("nodes_offline", "edge nodes away"),
    ):
        if status.get(key):
            words += f"; {status[key]:,} {what}"
    if not status["connected"]:
        fix = "see the answers on its name, port and log-in; readings wait at the device or broker meanwhile"
        return Answer(check, "problem", f"not connected ({status.get('last_error') or 'no reason told'}); {words}", fix)
    if not status["readings"]:
        fix = "does the device send? compare topic or root with what is there: `brain onboard discover`"
        if status.get("rejected") or status.get("unbound"):
            fix = "what comes is not registered: `brain onboard` proposes machines; the quarantine says what it was"
        return Answer(check, "warning", f"connected, and nothing was taken; {words}", fix)
    if status.get("dropped"):
        return Answer(check, "warning", words, "have the device send with QoS 1, or give the collector more room")
    return Answer(check, "ok", words)
