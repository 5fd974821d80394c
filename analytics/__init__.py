"""Judges what the historian holds: limits and alarms, normal behaviour, diagnosis, health, states, KPIs.

Pure functions on arrays first; two thin services read and write: :class:`ConditionService` (alarms, models,
findings, health and risk) and :class:`OperationService` (states and stops).
"""

from analytics.departure import DepartureModel, learn_departure
from analytics.detectors import DepartureDetector, KernelDetector
from analytics.fleet import DepartureFleet
from analytics.kpi import DEFINITIONS, KpiDefinition, KpiGroup, KpiValue, compute_kpis
from analytics.operations import OperationService
from analytics.plant import LivePlant
from analytics.scorer import FleetScorer
from analytics.sensor_watch import FleetSensors
from analytics.service import ConditionService
from analytics.warmup import judged_signals

__all__ = [
    "DEFINITIONS",
    "ConditionService",
    "DepartureDetector",
    "DepartureFleet",
    "DepartureModel",
    "FleetScorer",
    "FleetSensors",
    "KernelDetector",
    "KpiDefinition",
    "KpiGroup",
    "KpiValue",
    "LivePlant",
    "OperationService",
    "compute_kpis",
    "judged_signals",
    "learn_departure",
]
