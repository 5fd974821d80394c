"""What API and console need to know."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How new gateways are let in.

    broker_url, ca: where they forward to, and whom they trust there (PEM; empty for the certificates of their system)
    tell_broker: has the broker take exactly these (user, password hash) of gateways; raises ``OSError``
    """

    broker_url: str
    ca: str
    tell_broker: Callable[[Sequence[tuple[str, str]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """storage_secret signs the console's sessions; tokens of the log-in form hold ``token_hours``.

    enrolment: None where no gateways are let in
    """

    database_url: str
    tenant: str = "default"
    console: bool = True
    storage_secret: str = ""
    token_hours: float = 12.0
    enrolment: Enrolment | None = None
