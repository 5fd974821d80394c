"""Alert rules: few, each something that a person does something about."""

from dataclasses import dataclass
from typing import Any, Literal

from grafana_foundation_sdk.builders.alerting import Query, Rule
from grafana_foundation_sdk.builders.expr import (
    ExprTypeThresholdConditions,
    ExprTypeThresholdConditionsEvaluator,
    TypeThreshold,
)
from grafana_foundation_sdk.models.alerting import RelativeTimeRange
from grafana_foundation_sdk.models.common import DataSourceRef

from api.grafana.dashboards import CONSOLE_URL, as_json
from api.grafana.marks import DATA_SOURCE, FOLDER, LABEL, RULE_GROUP, TAG, uid
from api.grafana.query import SqlQueryBuilder
from api.grafana.texts import Language, say
from historian import grafana_queries

INTERVAL_S = 60
_EXPRESSION = "__expr__"
_LOOK_BACK_S = 600


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """A rule: it fires for every row of its query whose number lies above ``above`` for the time ``lasting``.

    dashboard: where to look, by name; page: of the console
    """

    name: str
    above: float
    lasting: str
    severity: Literal["warning", "critical"]
    dashboard: str
    page: str

    @property
    def query(self) -> str:
        """Name of its SQL in the historian."""
        return f"alerts.{self.name}"


ALERTS: tuple[AlertSpec, ...] = (
    AlertSpec("link_lost", 0, "2m", "critical", "pipeline", "/data"),
    AlertSpec("writer_behind", 60, "5m", "warning", "pipeline", "/data"),
    AlertSpec("machine_at_risk", 0, "5m", "warning", "fleet", "/"),
    AlertSpec("alarm_flood", 10, "0s", "warning", "fleet", "/alarms"),
)


def build_rules(
    language: Language, data_source: str = DATA_SOURCE, console_url: str = CONSOLE_URL, folder: str = FOLDER
) -> dict[str, dict[str, Any]]:
    """Every rule by its uid, as the provisioning API takes it."""
    return {uid(_dashed(spec)): _build(spec, language, data_source, console_url, folder) for spec in ALERTS}


def _dashed(spec: AlertSpec) -> str:
    return spec.name.replace("_", "-")


def _build(spec: AlertSpec, language: Language, data_source: str, console_url: str, folder: str) -> dict[str, Any]:
    exceeded = (
        TypeThreshold()
        .ref_id("B")
        .datasource(DataSourceRef(_EXPRESSION, _EXPRESSION))
        .expression("A")
        .conditions(
            [
                ExprTypeThresholdConditions().evaluator(
                    ExprTypeThresholdConditionsEvaluator().type("gt").params([spec.above])
                )
            ]
        )
    )
    look_back = RelativeTimeRange(_LOOK_BACK_S, 0)
    rule = (
        Rule(say(spec.name, language))
        .uid(uid(_dashed(spec)))
        .org_id(1)
        .folder_uid(folder)
        .rule_group(RULE_GROUP)
        .condition("B")
        .with_query(
            Query("A")
            .datasource_uid(data_source)
            .relative_time_range(look_back)
            .model(SqlQueryBuilder(grafana_queries()[spec.query], "table", data_source))
        )
        .with_query(Query("B").datasource_uid(_EXPRESSION).relative_time_range(look_back).model(exceeded))
        # A query without rows means that nothing is wrong; a database that does not answer is an error and alerts.
        .no_data_state("OK")
        .exec_err_state("Error")
        .for_val(spec.lasting)
        .labels({LABEL: TAG, "severity": spec.severity})
        .annotations(
            {
                "summary": say(f"{spec.name}_summary", language),
                "description": say(f"{spec.name}_advice", language),
                "runbook_url": console_url.rstrip("/") + spec.page,
            }
        )
        .is_paused(False)
    )
    return as_json(rule.build())
