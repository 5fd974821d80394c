"""Where Grafana reads: the historian, with an account that row-level security binds to its tenant."""

from dataclasses import dataclass
from typing import Any

from api.grafana.marks import DATA_SOURCE, DATA_SOURCE_NAME, DATA_SOURCE_TYPE


@dataclass(frozen=True, slots=True)
class DataSource:
    """The historian as Grafana reaches it.

    address: host:port as seen from Grafana; ssl_mode: libpq's, empty for what is there, or ``require``;
    timescaledb: whether Grafana may use ``time_bucket`` (the queries do not need it)
    """

    address: str
    database: str
    user: str = "grafana_reader"
    ssl_mode: str = ""
    timescaledb: bool = False

    def body(self) -> dict[str, Any]:
        """As the API takes it, without the password; what nobody asked for is left out."""
        asked = {"sslmode": self.ssl_mode, "timescaledb": self.timescaledb}
        return {
            "uid": DATA_SOURCE,
            "name": DATA_SOURCE_NAME,
            "type": DATA_SOURCE_TYPE,
            "access": "proxy",
            "url": self.address,
            "user": self.user,
            "isDefault": False,
            "jsonData": {
                "database": self.database,
                **{key: value for key, value in asked.items() if value},
            },
        }

    def new_body(self) -> dict[str, Any]:
        """The same for one that is not there yet, complete."""
        body = self.body()
        return body | {"jsonData": DEFAULTS | body["jsonData"]}


DEFAULTS = {
    "sslmode": "require",
    "postgresVersion": 1700,
    "timescaledb": False,
    "maxOpenConns": 10,
    "maxIdleConns": 2,
    "connMaxLifetime": 14400,
}
COMPOSE = DataSource("timescaledb:5432", "brain", ssl_mode="disable", timescaledb=True)
