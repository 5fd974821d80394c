"""Values from the unit a device sends into the unit a signal is kept in.

Exact by definition (BIPM SI Brochure, 9th edition; NIST SP 811, appendix B.8 for inch, pound, gallon, horsepower and
the conventional columns of water and mercury). Codes are UCUM, but for ``hp_M``, the metric horsepower (75 kgf.m/s).
"""

from dataclasses import dataclass
from math import pi


@dataclass(frozen=True, slots=True)
class Conversion:
    """``target = source * factor + offset``."""

    factor: float = 1.0
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        """The value in the target's unit."""
        return value * self.factor + self.offset


class ConversionError(ValueError):
    """One unit cannot be turned into the other; the message names both."""


# Of each quantity, how a unit becomes the first one: factor, offset.
_QUANTITIES: dict[str, dict[str, tuple[float, float]]] = {
    "temperature": {"Cel": (1, 0), "K": (1, -273.15), "[degF]": (5 / 9, -160 / 9), "[degR]": (5 / 9, -273.15)},
    "current": {"A": (1, 0), "uA": (1e-6, 0), "mA": (1e-3, 0), "kA": (1e3, 0)},
    "voltage": {"V": (1, 0), "uV": (1e-6, 0), "mV": (1e-3, 0), "kV": (1e3, 0)},
    "power": {
        "kW": (1, 0),
        "W": (1e-3, 0),
        "mW": (1e-6, 0),
        "MW": (1e3, 0),
        "[HP]": (0.745_699_871_582_270_2, 0),
        "hp_M": (0.735_498_75, 0),
    },
    "energy": {"kW.h": (1, 0), "W.h": (1e-3, 0), "MW.h": (1e3, 0), "kJ": (1 / 3600, 0), "MJ": (1 / 3.6, 0)},
    "frequency": {"Hz": (1, 0), "mHz": (1e-3, 0), "kHz": (1e3, 0)},
    # Not the same as frequency: a drive's output frequency is not the speed of its motor.
    "rotation": {"1/min": (1, 0), "1/s": (60, 0), "deg/s": (1 / 6, 0), "rad/s": (30 / pi, 0)},
    "velocity": {"mm/s": (1, 0), "um/s": (1e-3, 0), "cm/s": (10, 0), "m/s": (1e3, 0), "[in_i]/s": (25.4, 0)},
    "acceleration": {"g": (1, 0), "mg": (1e-3, 0), "m/s2": (1 / 9.806_65, 0), "mm/s2": (1 / 9_806.65, 0)},
    "pressure": {
        "bar": (1, 0),
        "mbar": (1e-3, 0),
        "Pa": (1e-5, 0),
        "hPa": (1e-3, 0),
        "kPa": (1e-2, 0),
        "MPa": (10, 0),
        "[psi]": (0.068_947_572_931_683_6, 0),
        "kgf/cm2": (0.980_665, 0),
        "m[H2O]": (0.098_066_5, 0),
        "mm[H2O]": (9.806_65e-5, 0),
        "[in_i'H2O]": (2.490_889_1e-3, 0),
        "mm[Hg]": (1.333_223_874_15e-3, 0),
        "[in_i'Hg]": (3.386_388_640_341e-2, 0),
        "atm": (1.013_25, 0),
    },
    "flow": {
        "L/min": (1, 0),
        "L/s": (60, 0),
        "L/h": (1 / 60, 0),
        "m3/h": (1000 / 60, 0),
        "m3/min": (1e3, 0),
        "m3/s": (6e4, 0),
        "m3/d": (1000 / 1440, 0),
        "mL/min": (1e-3, 0),
        "[gal_us]/min": (3.785_411_784, 0),
        "[gal_us]/h": (3.785_411_784 / 60, 0),
        "[gal_br]/min": (4.546_09, 0),
    },
    "ratio": {"1": (1, 0), "%": (1e-2, 0), "[ppth]": (1e-3, 0)},
    "duration": {"s": (1, 0), "ms": (1e-3, 0), "min": (60, 0), "h": (3600, 0), "d": (86_400, 0)},
    "yes or no": {"bool": (1, 0)},
}
_SCALES = {
    code: (quantity, factor, offset)
    for quantity, scales in _QUANTITIES.items()
    for code, (factor, offset) in scales.items()
}

# As device makers write them.
_ALSO = {
    "degC": "Cel",
    "°C": "Cel",
    "℃": "Cel",
    "degF": "[degF]",
    "°F": "[degF]",
    "℉": "[degF]",
    "rpm": "1/min",
    "r/min": "1/min",
    "Wh": "W.h",
    "kWh": "kW.h",
    "MWh": "MW.h",
    "hp": "[HP]",
    "psi": "[psi]",
    "in/s": "[in_i]/s",
    "l/min": "L/min",
    "l/s": "L/s",
    "m³/h": "m3/h",
    "m/s²": "m/s2",
    "m/s^2": "m/s2",
    "µA": "uA",
    "µV": "uV",
    "µm/s": "um/s",
    "‰": "[ppth]",
}

SOURCE_UNITS: tuple[str, ...] = (*_SCALES, *_ALSO)
"""Units a device may send in: UCUM codes and some that makers use; ``g`` and ``mg`` are standard gravity."""


def conversion(source: str, target: str) -> Conversion:
    """From one unit to another; raises :class:`ConversionError` where they do not measure the same.

    >>> round(conversion("degF", "Cel")(212.0), 9)
    100.0
    >>> conversion("kA", "A")
    Conversion(factor=1000.0, offset=0.0)
    """
    from_code, to_code = _ALSO.get(source, source), _ALSO.get(target, target)
    if from_code == to_code:
        return Conversion()
    if from_code not in _SCALES or to_code not in _SCALES or _SCALES[from_code][0] != _SCALES[to_code][0]:
        raise ConversionError(f"no way from unit {source!r} to {target!r} is known")
    _, from_factor, from_offset = _SCALES[from_code]
    _, to_factor, to_offset = _SCALES[to_code]
    return Conversion(from_factor / to_factor, (from_offset - to_offset) / to_factor)
