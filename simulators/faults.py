"""Failure modes of a simulated motor: what each does to the physics or to a sensor, at severity 0..1.

Data over code: a mode is a row of effects, scaled by its severity. The effects are multipliers or
additions on parameters of the model (see :mod:`simulators.motor`), so that everything that physically
follows from them follows by itself.
"""

from dataclasses import dataclass, field
from typing import Literal

Growth = Literal["sudden", "gradual"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a failure mode does at full severity.

    growth: ``sudden`` is whole at onset, ``gradual`` ramps over ``grows_h`` hours
    change: parameter -> value added to it at severity 1 (most parameters rest at 0 or 1)
    sensor, signals: what befalls which signal, one of them drawn by lot; the empty one stands for the machine itself
    needs_load: only visible on a machine that runs loaded nearly always
    """

    growth: Growth
    grows_h: float = 0.0
    change: dict[str, float] = field(default_factory=dict)
    sensor: str | None = None
    signals: tuple[str, ...] = ()
    needs_load: bool = True


EFFECTS: dict[str, Effect] = {
    # The fan no longer moves air: the resistance from frame to ambient doubles.
    "cooling_blocked": Effect("gradual", 14, {"cooling_resistance": 0.9}),
    "bearing_wear_de": Effect("gradual", 24, {"wear_de": 1.0, "wear_nde": 0.12}),
    "bearing_wear_nde": Effect("gradual", 24, {"wear_nde": 1.0, "wear_de": 0.12}),
    "overload": Effect("sudden", 0, {"overload": 1.25}),
    # One phase of the feeder has a bad contact: NEMA voltage unbalance of some 4 %.
    "voltage_unbalance": Effect("sudden", 0, {"voltage_dip_wu": 0.04}),
    "phase_loss": Effect("sudden", 0, {"open_phase": 1.0}),
    "loose_foundation": Effect("sudden", 0, {"looseness": 1.0}),
    # Shorted turns of one phase: its current rises at balanced voltages, and the coil heats.
    "winding_insulation_ageing": Effect("gradual", 20, {"shorted_turns": 1.0}),
    "sensor_stuck": Effect(
        "sudden",
        0,
        sensor="stuck",
        signals=("winding_temperature", "vibration_velocity_de", "bearing_temperature_nde", "power"),
        needs_load=False,
    ),
    "sensor_drift": Effect(
        "gradual", 16, sensor="drift", signals=("winding_temperature", "bearing_temperature_nde"), needs_load=False
    ),
    "lubrication_lack": Effect("gradual", 24, {"friction_de": 1.0, "friction_nde": 1.0}),
    "misalignment": Effect("sudden", 0, {"misalignment": 1.0}),
    "rotor_imbalance": Effect("sudden", 0, {"imbalance": 1.0}),
    "undervoltage": Effect("sudden", 0, {"supply": -0.13}),
    "overvoltage": Effect("sudden", 0, {"supply": 0.13}),
    # The rotor is held until the protection trips, seconds later.
    "locked_rotor": Effect("sudden", 0, {"held": 1.0}),
    # A control that hunts: on and off a dozen times an hour.
    "frequent_starts": Effect("sudden", 0, {"hunting": 1.0}),
    # A bad contact in one lead behind the meter, or a current transformer that reads low.
    "current_unbalance": Effect(
        "sudden", 0, {"loose_terminal": 1.0}, sensor="ratio", signals=("", "current_u", "current_w")
    ),
    "phases_swapped": Effect("sudden", 0, sensor="swapped", signals=("power",)),
    "sensor_spikes": Effect("sudden", 0, sensor="spikes", signals=("winding_temperature",), needs_load=False),
    "sensor_dropout": Effect("sudden", 0, sensor="dropout", signals=("bearing_temperature_de",), needs_load=False),
}

# The modes of the demo, in the order in which a small plant gets them.
DEMO_MODES = (
    "bearing_wear_de",
    "cooling_blocked",
    "voltage_unbalance",
    "overload",
    "phase_loss",
    "winding_insulation_ageing",
    "sensor_stuck",
    "loose_foundation",
    "bearing_wear_nde",
    "sensor_drift",
)
