"""Judges what the historian holds: limits and alarms, normal behaviour, diagnosis, health, states, KPIs.

Pure functions on arrays first; three thin services read and write: :class:`ConditionService` (alarms, models,
findings, health and risk), :class:`OperationService` (states and stops) and :class:`PeerService` (machines against
those of their type).
"""

from analytics.calendar import Span, to_utc
from analytics.departure import DepartureModel, learn_departure
from analytics.detectability import Answer, detectability, detectability_now
from analytics.detectors import DepartureDetector, KernelDetector
from analytics.energy import energy_benchmark
from analytics.fleet import DepartureFleet
from analytics.hit_rate import HitRate, hit_rate
from analytics.kpi import KpiGroup, KpiValue, compute_kpis, compute_spans, evaluate
from analytics.kpi_catalogue import DEFINITIONS, KpiDefinition
from analytics.kpi_series import GROUP_BY, Compared, compare_kpis, kpi_series
from analytics.maintenance import due, ordering
from analytics.operations import OperationService
from analytics.peer_service import PeerService
from analytics.plant import LivePlant
from analytics.savings import MachinePair, Saving, savings
from analytics.scorer import FleetScorer
from analytics.sensor_watch import FleetSensors
from analytics.service import ConditionService
from analytics.stops import MICRO_STOP_S, ParetoRow, Phase, pareto, phases
from analytics.warmup import judged_signals

__all__ = [
    "DEFINITIONS",
    "GROUP_BY",
    "MICRO_STOP_S",
    "Answer",
    "Compared",
    "ConditionService",
    "DepartureDetector",
    "DepartureFleet",
    "DepartureModel",
    "FleetScorer",
    "FleetSensors",
    "HitRate",
    "KernelDetector",
    "KpiDefinition",
    "KpiGroup",
    "KpiValue",
    "LivePlant",
    "MachinePair",
    "OperationService",
    "ParetoRow",
    "PeerService",
    "Phase",
    "Saving",
    "Span",
    "compare_kpis",
    "compute_kpis",
    "compute_spans",
    "detectability",
    "detectability_now",
    "due",
    "energy_benchmark",
    "evaluate",
    "hit_rate",
    "judged_signals",
    "kpi_series",
    "learn_departure",
    "ordering",
    "pareto",
    "phases",
    "savings",
    "to_utc",
]
