"""Quantities derived from a motor's signals; pure functions on arrays of equal shape.

Missing inputs are NaN and give NaN: nothing is invented.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from plant import Nameplate

Array = NDArray[np.float64]

_SQRT3 = math.sqrt(3)


def median(values: Array) -> float:
    """Median of values (n,), n above 0, none of them NaN: for few values a fifth of the time that numpy's takes."""
    ordered = np.sort(values)
    half = (len(ordered) - 1) // 2
    return float(ordered[half] + ordered[len(ordered) - 1 - half]) / 2


def nema_unbalance(a: Array, b: Array, c: Array, floor: float = 0.0) -> Array:
    """Unbalance of three line-line voltages or three currents [%]: greatest deviation from the mean.

    ``floor`` replaces a smaller mean as divisor (for currents the rated one, or idle motors alarm for
    nothing). Source: NEMA MG-1, 12.45; GE 239 for the divisor.
    """
    mean = (a + b + c) / 3
    deviation = np.maximum(np.maximum(np.abs(a - mean), np.abs(b - mean)), np.abs(c - mean))
    divisor = np.maximum(mean, floor)
    return _divide(100 * deviation, divisor)


def voltage_unbalance_factor(ab: Array, bc: Array, ca: Array) -> Array:
    """True voltage unbalance [%], negative over positive sequence, from three line-line magnitudes.

    Source: IEC 61000-4-30, 5.7.1: beta = (ab^4 + bc^4 + ca^4) / (ab^2 + bc^2 + ca^2)^2.
    """
    beta = _divide(ab**4 + bc**4 + ca**4, (ab**2 + bc**2 + ca**2) ** 2)
    root = np.sqrt(np.maximum(3 - 6 * beta, 0))
    return 100 * np.sqrt(np.maximum(_divide(1 - root, 1 + root), 0))


def derating(voltage_unbalance: Array) -> Array:
    """Share of rated power an induction motor may give under this voltage unbalance [%], NEMA definition.

    Source: fits the NEMA MG-1 14.36 curve, 1 / sqrt(1 + 8 (0.06 u)^2), GE 469 manual.
    """
    curve: Array = 1 / np.sqrt(1 + 8 * (0.06 * voltage_unbalance) ** 2)
    return curve


def thermal_trip_time_s(current: float, before: float, tau_s: float, factor: float = 1.05) -> float:
    """Seconds until the thermal replica trips at a constant current, both relative to rated current.

    ``before`` is the load it was warm from (0 for cold). ``inf`` where it never trips, 0 where it has.
    Source: IEC 60255-149, t = tau ln((I^2 - Ip^2) / (I^2 - k^2)).
    """
    if current <= factor:
        return math.inf
    if before >= factor:
        return 0.0
    return tau_s * math.log((current**2 - before**2) / (current**2 - factor**2))


def thermal_capacity(current_ratio: Array, step_s: float, tau_s: float = 1800.0, factor: float = 1.05) -> Array:
    """Thermal capacity used [%] along the last axis, from equally spaced currents relative to rated.

    theta' = theta + dt / tau ((I / k)^2 - theta), exact over a step; starts in balance with the first
    value. Unknown currents keep the last known one. Source: IEC 60255-149.
    """
    squares = (current_ratio / factor) ** 2
    if not squares.shape[-1]:
        return squares
    known = np.maximum.accumulate(np.where(np.isnan(squares), 0, np.arange(squares.shape[-1])), axis=-1)
    driven = np.nan_to_num(np.take_along_axis(squares, known, axis=-1))
    keep = math.exp(-step_s / tau_s)
    theta: Array = lfilter([1 - keep], [1, -keep], driven, axis=-1, zi=keep * driven[..., :1])[0]
    return 100 * theta


def thermal_outlook(
    capacity: float,
    current: float,
    locked_rotor_ratio: float,
    stall_time_s: float,
    tau_s: float = 1800.0,
    factor: float = 1.05,
) -> tuple[float, float]:
    """(seconds until the thermal replica trips at this current, seconds at rest until a start is allowed).

    capacity: used [%], of :func:`thermal_capacity`; current and locked_rotor_ratio relative to rated current. ``inf``
    where it never trips, or where even a cold motor may not be stalled for so long. A start is allowed once what it
    takes at most, locked rotor current for the stall time, fits under 100 %. The replica cools at rest as it warms.
    Source: IEC 60255-149, solved for the time; the start is the replica driven by the locked-rotor current.
    """
    used = max(0.0, capacity) / 100
    trip_s = thermal_trip_time_s(current, factor * math.sqrt(used), tau_s, factor)
    # The share of what is left, and the heat of the start, after the stall time.
    keep = math.exp(-stall_time_s / tau_s)
    allowed = (1 - (locked_rotor_ratio / factor) ** 2 * (1 - keep)) / keep
    if allowed <= 0:
        return trip_s, math.inf
    return trip_s, tau_s * math.log(used / allowed) if used > allowed else 0.0


def bearing_frequencies(
    balls: int, ball_diameter: float, pitch_diameter: float, angle: float = 0.0
) -> dict[str, float]:
    """Defect frequencies as multiples of shaft speed: outer race, inner race, ball spin, cage.

    Diameters in the same unit, angle in radians. BPFO + BPFI = number of balls.
    """
    ratio = ball_diameter / pitch_diameter * math.cos(angle)
    return {
        "bpfo": balls / 2 * (1 - ratio),
        "bpfi": balls / 2 * (1 + ratio),
        "bsf": (1 - ratio**2) * pitch_diameter / (2 * ball_diameter),
        "ftf": (1 - ratio) / 2,
    }


def rotor_sidebands(frequency: float, poles: float, speed: float) -> tuple[float, float, float] | None:
    """Where broken rotor bars show in the current: (lower sideband [Hz], upper [Hz], least window [s]).

    frequency in Hz, speed in 1/min; None at or above synchronous speed, where there is no slip.
    Source: IEEE 1415, f (1 +- 2 s) with s = (ns - n) / ns; two lines 2 s f apart need 4 / (2 s f) to be told apart.
    """
    synchronous = 120 * frequency / poles
    slip = (synchronous - speed) / synchronous
    if slip <= 0:
        return None
    apart = 2 * slip * frequency
    return frequency - apart, frequency + apart, 4 / apart


def insulation_life_factor(temperature: Array, reference: float) -> Array:
    """How fast insulation ages against its rated temperature [degC]: doubles every 10 K (Montsinger)."""
    factor: Array = 2 ** ((temperature - reference) / 10)
    return factor


def indicators(template: str, nameplate: Nameplate, signals: Mapping[str, Array]) -> dict[str, Array]:
    """All indicators of a machine: its signals themselves, and for a motor what follows from them.

    signals: key -> float64 of equal shapes; what a machine does not have may be left out
    """
    found = dict(signals)
    if template != "motor" or not signals:
        return found
    shape = np.shape(next(iter(signals.values())))
    missing = np.full(shape, np.nan)

    def signal(key: str) -> Array:
        return signals.get(key, missing)

    def rated(key: str) -> float:
        return float(nameplate[key])

    u, v, w = signal("current_u"), signal("current_v"), signal("current_w")
    uv, vw, wu = signal("voltage_uv"), signal("voltage_vw"), signal("voltage_wu")
    mean = (u + v + w) / 3
    current, voltage, power = rated("rated_current"), rated("rated_voltage"), rated("rated_power")
    loaded = mean > 0.08 * current
    found["current_mean"] = mean
    found["current_ratio"] = mean / current
    found["voltage_mean"] = (uv + vw + wu) / 3
    found["voltage_ratio"] = found["voltage_mean"] / voltage
    found["voltage_unbalance"] = nema_unbalance(uv, vw, wu)
    found["voltage_unbalance_factor"] = voltage_unbalance_factor(uv, vw, wu)
    found["current_unbalance"] = nema_unbalance(u, v, w, floor=current)
    found["phase_current_ratio"] = np.where(loaded, _divide(np.minimum(np.minimum(u, v), w), mean), np.nan)
    measured_power = signal("power")
    found["load"] = np.where(
        np.isnan(measured_power),
        _SQRT3 * found["voltage_mean"] * mean * signal("power_factor") * rated("efficiency") / (power * 1000),
        measured_power * rated("efficiency") / power,
    )
    found["copper"] = (u**2 + v**2 + w**2) / (3 * current**2)
    found["speed_ratio"] = signal("speed") / rated("rated_speed")
    found["speed_squared"] = found["speed_ratio"] ** 2
    found["winding_rise"] = signal("winding_temperature") - signal("ambient_temperature")
    return found


def _divide(numerator: Array, denominator: Array) -> Array:
    """Quotient, NaN where the denominator is zero or unknown."""
    safe = np.where(denominator == 0, np.nan, denominator)
    quotient: Array = numerator / safe
    return quotient
