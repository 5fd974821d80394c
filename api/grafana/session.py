"""Talks to somebody's Grafana through grafana-client: what it refuses is said in words, what fails is tried again.

Reading, replacing and deleting may be repeated. Creating may not, because nobody knows whether a call that broke off
was carried out; the next push looks first.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

TRIES = 4
FIRST_PAUSE_S = 0.5
TIMEOUT_S = 30.0
_PASSING = (0, 429, 500, 502, 503, 504)


class GrafanaError(Exception):
    """One line: what Grafana refused, of which thing, and what to do."""


def connect(url: str, token: str) -> Any:
    """grafana-client for an address such as ``https://grafana.example.com`` or one below a path."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GrafanaError(f"{url!r} is no address of a Grafana: it begins with http:// or https://")
    if parts.username or parts.query or parts.fragment:
        raise GrafanaError(
            "the address holds more than host and path: give the token in a file, and nothing after the path"
        )
    # grafana-client puts its own path right behind ours.
    address = parts._replace(path=parts.path.rstrip("/") + "/").geturl()
    return GrafanaApi.from_url(address, credential=token, timeout=TIMEOUT_S)


class Session:
    """Calls with their names, for what is said when one fails.

    sleep: takes seconds; a test passes its own
    """

    def __init__(self, api: Any, sleep: Callable[[float], object] = time.sleep) -> None:
        self.api = api
        self._sleep = sleep

    def find(self, what: str, call: Callable[[], Any]) -> Any:
        """What is there, None where nothing is."""
        try:
            found = self._tried(call)
            if not isinstance(found, dict | list):
                raise ValueError("a page instead of data")
            return found
        except GrafanaClientError as problem:
            if problem.status_code == 404:
                return None
            raise GrafanaError(explain(problem, f"read {what}")) from problem
        except (GrafanaException, OSError, ValueError) as problem:
            raise GrafanaError(explain(problem, f"read {what}")) from problem

    def replace(self, what: str, call: Callable[[], Any]) -> Any:
        """A change that may be made twice."""
        try:
            return self._tried(call)
        except (GrafanaException, OSError, ValueError) as problem:
            raise GrafanaError(explain(problem, f"change {what}")) from problem

    def remove(self, what: str, call: Callable[[], Any]) -> None:
        """A removal; what is gone already is removed."""
        try:
            self._tried(call)
        except GrafanaClientError as problem:
            if problem.status_code != 404:
                raise GrafanaError(explain(problem, f"remove {what}")) from problem
        except (GrafanaException, OSError, ValueError) as problem:
            raise GrafanaError(explain(problem, f"remove {what}")) from problem

    def once(self, what: str, call: Callable[[], Any]) -> Any:
        """A call that must not be repeated unseen."""
        try:
            return call()
        except (GrafanaException, OSError, ValueError) as problem:
            raise GrafanaError(explain(problem, f"save {what}")) from problem

    def _tried(self, call: Callable[[], Any]) -> Any:
        for number in range(1, TRIES):
            try:
                return call()
            except ValueError:
                raise
            except (GrafanaException, OSError) as problem:
                if getattr(problem, "status_code", 0) not in _PASSING:
                    raise
                self._sleep(FIRST_PAUSE_S * 2 ** (number - 1))
        return call()


def explain(problem: Exception, what: str) -> str:
    """A refusal in words: what Grafana would not do, and what to do about it."""
    if isinstance(problem, ValueError):
        return (
            f"cannot {what}: what answers at this address is not Grafana's API. A Grafana below a path, or behind a "
            "log-in page, needs the address of Grafana itself in --url"
        )
    if not isinstance(problem, GrafanaException):
        return f"cannot {what}: no Grafana answers at this address ({problem}). Check --url, and that Grafana runs"
    said = _message(problem)
    match problem.status_code:
        case 0:
            return f"cannot {what}: Grafana does not answer in {TIMEOUT_S:.0f} s. Look at its load, and run this again"
        case 400:
            return f"cannot {what}: Grafana does not take it ({said}). It may be older than the one this was made for"
        case 401:
            return (
                f"cannot {what}: Grafana does not know the token. Make a new one under Administration > "
                "Service accounts, and see that it has not expired"
            )
        case 403:
            return (
                f"cannot {what}: the service account may not ({said}). docs/grafana.md lists the permissions it needs"
            )
        case 404:
            return f"cannot {what}: it is gone since it was looked at. Run this again"
        case 409:
            return (
                f"cannot {what}: something else has its name or uid ({said}). Rename or remove that in Grafana, or "
                "take away the provisioning files that made it"
            )
        case 412:
            return (
                f"cannot {what}: somebody changed it at the same time ({said}). Look at its version history, "
                "and run this again"
            )
        case 429:
            return f"cannot {what}: Grafana takes no more calls for now. Run this again in a minute"
        case status if status >= 500:
            return (
                f"cannot {what}: Grafana fails with {status} ({said}). Look at its log; the next push goes on from here"
            )
        case status:
            return f"cannot {what}: Grafana says {status} ({said})"


def _message(problem: GrafanaException) -> str:
    response = problem.response
    text = response.get("message") if isinstance(response, dict) else response
    return str(text or problem.message).strip().split("\n")[0][:200]
