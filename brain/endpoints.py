"""Where the database and the broker of this installation are: set, or embedded and running."""

from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.settings import Settings

ENDPOINTS = "endpoints"


def database_url(settings: Settings) -> str:
    """The database that is set, or the embedded one of a running installation on this data directory."""
    return settings.database_url or _running(settings, "database_url", "BRAIN_DATABASE_URL")


def mqtt_url(settings: Settings) -> str:
    """The broker that is set, or the embedded one of a running installation on this data directory."""
    return settings.mqtt_url or _running(settings, "mqtt_url", "BRAIN_MQTT_URL")


def _running(settings: Settings, key: str, variable: str) -> str:
    known = RunDirectory(settings.data_dir).read(ENDPOINTS).get(key)
    if not known:
        raise Failure(
            f"nothing runs on {settings.data_dir}: start `brain demo` or `brain run` there first "
            f"(or name its --data-dir), or set {variable}"
        )
    return str(known)
