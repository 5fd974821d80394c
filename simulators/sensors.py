"""The sensors of a simulated plant: no two alike in noise and calibration."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant import template_library
from simulators.motor import Array

# Standard deviation of each sensor's noise: relative to the value, and absolute.
NOISE: dict[str, tuple[float, float]] = {
    "current_u": (0.003, 0.01),
    "current_v": (0.003, 0.01),
    "current_w": (0.003, 0.01),
    "voltage_uv": (0.0008, 0.0),
    "voltage_vw": (0.0008, 0.0),
    "voltage_wu": (0.0008, 0.0),
    "winding_temperature": (0.0, 0.15),
    "bearing_temperature_de": (0.0, 0.12),
    "bearing_temperature_nde": (0.0, 0.12),
    "ambient_temperature": (0.0, 0.1),
    "vibration_velocity_de": (0.04, 0.01),
    "vibration_velocity_nde": (0.04, 0.01),
    "speed": (0.0002, 0.0),
    "power": (0.004, 0.0),
    "power_factor": (0.002, 0.0),
}
# Standard deviation of a sensor's own error, which stays: relative, and absolute.
_CALIBRATION = {
    "current": (0.006, 0.0),
    "voltage": (0.0015, 0.0),
    "winding": (0.0, 0.8),
    "bearing": (0.0, 0.8),
    "ambient": (0.0, 0.6),
    "vibration": (0.04, 0.0),
    "speed": (0.0003, 0.0),
    "power": (0.008, 0.0),
}


@dataclass(frozen=True, slots=True)
class Sensors:
    """What the sensors of each machine make of a true value, signal -> (machines,).

    noise: standard deviation relative to the usual one; gain, offset: calibration; resolution: a number, 0 for none
    """

    noise: dict[str, Array]
    gain: dict[str, Array]
    offset: dict[str, Array]
    resolution: dict[str, float]

    @classmethod
    def of(cls, machines: int, seed: int) -> "Sensors":
        """The sensors of a plant of one seed."""
        random = np.random.default_rng([seed, 8])
        finest = {signal.key: signal.resolution for signal in template_library()["motor"].signals}
        noise, gain, offset, resolution = {}, {}, {}, {}
        for key in NOISE:
            kind = "" if key == "power_factor" else key.partition("_")[0]
            relative, absolute = _CALIBRATION.get(kind, (0.0, 0.0))
            noise[key] = np.exp(random.normal(0, 0.3, machines))
            gain[key] = 1 + relative * random.standard_normal(machines)
            offset[key] = absolute * random.standard_normal(machines)
            resolution[key] = finest[key] or 0.0
        return cls(noise, gain, offset, resolution)

    def sense(self, key: str, value: Array, noise: Array) -> Array:
        """What is read of a true value (steps, machines), noise of unit variance given."""
        relative, absolute = NOISE[key]
        spread = (relative * np.abs(value) + absolute) * self.noise[key]
        # A quantity that is exactly zero (a standing motor) reads zero, not noise around it.
        seen = np.where(value == 0, 0.0, value * self.gain[key] + self.offset[key] + spread * noise)
        return np.round(round_to(seen, self.resolution[key]), 6)


def round_to(values: Array, resolution: float) -> Array:
    """Values as a sensor of this resolution shows them; 0 for one that shows all."""
    rounded: Array = np.round(values / resolution) * resolution if resolution else values
    return rounded


def swap_phases(measured: dict[str, Array], rows: NDArray[np.bool_], machine: int) -> None:
    """Let a meter take the currents of U and V for one another: two of its angles are wrong by a third of a turn.

    P = U/sqrt(3) (Iu cos(phi + 120) + Iv cos(phi - 120) + Iw cos phi), which is zero for even currents; power and power
    factor are magnitudes, as most meters send them.
    """
    u, v, w = (measured[f"current_{phase}"][rows, machine] for phase in "uvw")
    voltage = np.mean([measured[f"voltage_{pair}"][rows, machine] for pair in ("uv", "vw", "wu")], axis=0)
    angle = np.arccos(np.clip(measured["power_factor"][rows, machine], -1, 1))
    third = 2 * math.pi / 3
    watts = voltage / math.sqrt(3) * (u * np.cos(angle + third) + v * np.cos(angle - third) + w * np.cos(angle))
    apparent = voltage / math.sqrt(3) * (u + v + w)
    measured["power"][rows, machine] = np.round(np.abs(watts) / 1000, 2)
    measured["power_factor"][rows, machine] = np.round(np.abs(watts) / np.where(apparent > 0, apparent, 1.0), 3)
    measured["current_u"][rows, machine], measured["current_v"][rows, machine] = v, u
