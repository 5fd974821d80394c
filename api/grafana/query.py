"""A query as Grafana's PostgreSQL data source takes it; the SDK has no type for it."""

from typing import Any, Literal, Self

from grafana_foundation_sdk.cog import builder as cog_builder
from grafana_foundation_sdk.cog import runtime, variants
from grafana_foundation_sdk.models.common import DataSourceRef

from api.grafana.marks import DATA_SOURCE_TYPE

Format = Literal["table", "time_series"]


class SqlQuery(variants.Dataquery):
    """SQL written by hand, with the shape its answer is to be read in."""

    def __init__(self, sql: str, shape: Format, data_source: str, ref_id: str = "A") -> None:
        self.sql = sql
        self.shape = shape
        self.data_source = data_source
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {
            "refId": self.ref_id,
            "datasource": reference(self.data_source),
            "editorMode": "code",
            "rawQuery": True,
            "format": self.shape,
            "rawSql": self.sql,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The way back; ``KeyError`` where something is missing."""
        return cls(data["rawSql"], data["format"], data["datasource"]["uid"], data["refId"])


class SqlQueryBuilder(cog_builder.Builder[variants.Dataquery]):
    """What panels take."""

    def __init__(self, sql: str, shape: Format, data_source: str) -> None:
        self._query = SqlQuery(sql, shape, data_source)

    def build(self) -> variants.Dataquery:
        """The query."""
        return self._query


def reference(data_source: str) -> DataSourceRef:
    """Where queries go."""
    return DataSourceRef(DATA_SOURCE_TYPE, data_source)


def register() -> None:
    """Let the SDK read our queries back; safe to call again."""
    runtime.register_dataquery_variant(runtime.DataqueryConfig(DATA_SOURCE_TYPE, SqlQuery.from_json))
