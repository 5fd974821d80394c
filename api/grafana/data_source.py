"""Where Grafana reads: the historian, with an account that row-level security binds to its tenant."""

from dataclasses import dataclass
from typing import Any

from api.grafana.marks import DATA_SOURCE, DATA_SOURCE_NAME, DATA_SOURCE_TYPE


@dataclass(frozen=True, slots=True)
class DataSource:
    """The historian as Grafana reaches it.

    address: host:port as seen from Grafana; ssl_mode: libpq's; timescaledb: whether the server has ``time_bucket``
    (the queries do not need it)
    """

    address: str
    database: str
    user: str = "grafana_reader"
    ssl_mode: str = "require"
    timescaledb: bool = False

    def body(self) -> dict[str, Any]:
        """As the API takes it, without the password."""
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
                "sslmode": self.ssl_mode,
                "postgresVersion": 1700,
                "timescaledb": self.timescaledb,
                "maxOpenConns": 10,
                "maxIdleConns": 2,
                "connMaxLifetime": 14400,
            },
        }


COMPOSE = DataSource("timescaledb:5432", "brain", ssl_mode="disable", timescaledb=True)
