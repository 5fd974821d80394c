"""What is ours in somebody's Grafana: everything we make carries one of these, and nothing else is ever touched."""

PREFIX = "industry-brain-"
TAG = "industry-brain"
LABEL = "managed_by"
FOLDER = "industry-brain"
DATA_SOURCE = "industry-brain"
DATA_SOURCE_NAME = "Industry Brain"
DATA_SOURCE_TYPE = "grafana-postgresql-datasource"
RULE_GROUP = "industry-brain"


def uid(name: str) -> str:
    """The uid of a dashboard or rule of ours."""
    return PREFIX + name
