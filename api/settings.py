"""What API and console need to know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """storage_secret signs the console's sessions; tokens of the log-in form hold ``token_hours``."""

    database_url: str
    tenant: str = "default"
    console: bool = True
    storage_secret: str = ""
    token_hours: float = 12.0
