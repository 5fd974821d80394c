"""A machine as it is registered, and a job done on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What must be known of a machine to put it on line (ISA-95: site / area / work centre / work unit).

    nameplate: fields of the template, numbers or words; the template's defaults fill the rest
    downtime_cost_per_h: what an hour of unplanned standstill costs, in the site's currency
    commissioned_at: from when on readings count as its life; None means since the first reading
    replacement_value: what the machine would cost new, in the site's currency; 0 where nobody knows
    """

    site: str
    line: str
    machine: str
    name: str
    template: str
    area: str = ""
    nameplate: Mapping[str, float | str] = field(default_factory=dict)
    downtime_cost_per_h: float = 0.0
    commissioned_at: datetime | None = None
    site_name: str = ""
    time_zone: str = "UTC"
    currency: str = "CNY"
    replacement_value: float = 0.0
    numerically_controlled: bool = False


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """A finished maintenance job; costs in the site's currency.

    kind: ``corrective``, ``preventive``, ``condition_based`` or ``inspection``
    """

    site: str
    machine: str
    kind: str
    title: str
    opened_at: datetime
    closed_at: datetime
    labour_h: float = 0.0
    labour_rate: float = 0.0
    parts_cost: float = 0.0
    found: str = ""
