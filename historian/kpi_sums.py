"""Amounts that add up: what some machines did, cost and used in a period. Every KPI is a formula over them."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class KpiSums:
    """Sums over machines and time; two of them are added field by field, and means are formed afterwards.

    asked_s: machine seconds of the period in which the machines existed; running_s .. off_line_s: of those, seen in
        each state
    planned_s, unplanned_s: stops of each kind, clipped to the period; failures: unplanned stops that began in it;
        repair_s: whole length of those; doubtful_s: time without data before and after unplanned stops, in which nobody
        saw whether they lasted; downtime_cost: unplanned hours times each machine's cost per hour
    corrective_cost .. inspection_cost, jobs_planned, jobs_unplanned: work orders closed in the period, by kind
    kwh: energy measured in energy_s; rated_kwh: what rated power would have used in that time
    pieces, good, ideal_s: production counted over counted_s; ideal_s is pieces times the planned time of each
    networked: machines that sent anything; controlled: numerically controlled; scrapped: at the end of their life
    """

    machines: float = 0.0
    asked_s: float = 0.0
    running_s: float = 0.0
    idle_s: float = 0.0
    starting_s: float = 0.0
    stopped_s: float = 0.0
    down_s: float = 0.0
    maintenance_s: float = 0.0
    off_line_s: float = 0.0
    planned_s: float = 0.0
    unplanned_s: float = 0.0
    doubtful_s: float = 0.0
    failures: float = 0.0
    repair_s: float = 0.0
    downtime_cost: float = 0.0
    corrective_cost: float = 0.0
    preventive_cost: float = 0.0
    condition_based_cost: float = 0.0
    inspection_cost: float = 0.0
    jobs_planned: float = 0.0
    jobs_unplanned: float = 0.0
    kwh: float = 0.0
    energy_s: float = 0.0
    rated_kwh: float = 0.0
    pieces: float = 0.0
    good: float = 0.0
    ideal_s: float = 0.0
    counted_s: float = 0.0
    alarms: float = 0.0
    operators: float = 0.0
    replacement_value: float = 0.0
    networked: float = 0.0
    controlled: float = 0.0
    scrapped: float = 0.0

    def __add__(self, other: "KpiSums") -> "KpiSums":
        return KpiSums(*(getattr(self, name) + getattr(other, name) for name in SUMS))

    @property
    def seen_s(self) -> float:
        """Time with data, whatever the machine did."""
        known = self.running_s + self.idle_s + self.starting_s + self.stopped_s + self.down_s + self.maintenance_s
        return float(known)

    @property
    def operating_s(self) -> float:
        """Running, idle and starting."""
        return self.running_s + self.idle_s + self.starting_s

    @property
    def maintenance_cost(self) -> float:
        """Labour and parts of all kinds of jobs."""
        return self.corrective_cost + self.preventive_cost + self.condition_based_cost + self.inspection_cost


SUMS = tuple(field.name for field in fields(KpiSums))
