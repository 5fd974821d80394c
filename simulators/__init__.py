"""Stands in for plant hardware: physics of three-phase motors with failure modes, served over OPC UA and MQTT.

Takes in a seed and a time; hands out readings as a plant would send them, and, for judges outside the
product only, what was broken. Nothing else in the product imports from here but the wiring.
"""

from simulators.fleet import InjectedFault, PlantPlan, labelled_plan, simulate_plan
from simulators.history import simulate_history
from simulators.live import LiveCounts, run_live
from simulators.occasions import WORN_MODES, on_bus, worn_from_the_start
from simulators.simulation import PlantSimulation, Samples

__all__ = [
    "WORN_MODES",
    "InjectedFault",
    "LiveCounts",
    "PlantPlan",
    "PlantSimulation",
    "Samples",
    "labelled_plan",
    "on_bus",
    "run_live",
    "simulate_history",
    "simulate_plan",
    "worn_from_the_start",
]
