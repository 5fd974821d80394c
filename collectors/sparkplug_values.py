"""What a Sparkplug metric's value is worth as a reading (Sparkplug 3.0, 6.4.9, 6.4.16 and 6.4.17)."""

import math

from collectors.sparkplug_payload import Metric
from plant import Quality

# code -> (bits, signed)
_INTEGERS = {
    1: (8, True),
    2: (16, True),
    3: (32, True),
    4: (64, True),
    5: (8, False),
    6: (16, False),
    7: (32, False),
    8: (64, False),
}
_FLOATS = frozenset({9, 10})
_BOOLEAN = 11
_TEXTS = frozenset({12, 14, 15})
_DATETIME = 13
_WIDTHS = {"int_value": 32, "long_value": 64}
_NUMBERS = frozenset({*_INTEGERS, *_FLOATS, _BOOLEAN, _DATETIME})
_FLOAT_FIELDS = frozenset({"float_value", "double_value"})
_NUMBER_FIELDS = frozenset({*_WIDTHS, *_FLOAT_FIELDS, "boolean_value"})

_NAMES = {
    **{code: f"{'Int' if signed else 'UInt'}{bits}" for code, (bits, signed) in _INTEGERS.items()},
    9: "Float",
    10: "Double",
    11: "Boolean",
    12: "String",
    13: "DateTime",
    14: "Text",
    15: "UUID",
}


class NotANumber(ValueError):
    """The value is no reading; the message says why."""


def type_name(datatype: int) -> str:
    """The standard's word for a type code.

    >>> type_name(7)
    'UInt32'
    """
    return _NAMES.get(datatype, f"type {datatype}")


def is_composite(metric: Metric, datatype: int) -> bool:
    """Whether the type can hold no single value: arrays, data sets, templates, bytes, and types nobody knows."""
    if datatype:
        return datatype not in _NUMBERS and datatype not in _TEXTS
    return metric.field not in _NUMBER_FIELDS and metric.field not in ("", "string_value")


def number_of(metric: Metric, datatype: int) -> float:
    """The value as float64; booleans are 0 and 1, a DateTime is milliseconds since the epoch, null is NaN.

    datatype: of the metric or, where it was left out, of the birth; 0 where neither is known, which is enough for
        floating point and booleans. Integers of 64 bits beyond 2^53 lose their last digits.

    Raises :class:`NotANumber` for text, values that do not fit their type, and infinity.
    """
    if metric.is_null:
        return math.nan
    value = metric.value
    if value is None:
        raise NotANumber("holds text" if metric.field else "holds no value and does not say that it is null")
    field = metric.field
    if datatype in _INTEGERS and field in _WIDTHS:
        return float(_integer(int(value), _WIDTHS[field], *_INTEGERS[datatype]))
    if datatype == _DATETIME and field == "long_value":
        return float(value)
    if (datatype in _FLOATS or not datatype) and field in _FLOAT_FIELDS:
        if math.isinf(value):
            raise NotANumber(f"is {value}")
        return value
    if (datatype == _BOOLEAN or not datatype) and field == "boolean_value":
        return float(value)
    if not datatype:
        raise NotANumber("is a whole number of unknown type: neither it nor a birth says whether it is signed")
    raise NotANumber(f"has type {type_name(datatype)} and its value in {field}")


def quality_of(metric: Metric) -> Quality:
    """Quality of a metric: good where nothing is said, bad where it is null.

    Other codes than the standard's three come from OPC DA: their two upper bits of eight are the severity.
    """
    code = metric.quality
    if metric.is_null:
        return Quality.BAD
    if code is None or 192 <= code <= 255:
        return Quality.GOOD
    return Quality.BAD if code < 64 else Quality.UNCERTAIN


def _integer(raw: int, width: int, bits: int, signed: bool) -> int:
    """The integer behind an unsigned field of ``width`` bits.

    Negative numbers are two's complement; clients differ in whether of the type's own length (250 is the Int8 -6)
    or of the field's (4294967290 is the same).
    """
    half = 1 << bits - 1
    if raw < (half if signed else 2 * half):
        return raw
    if signed and raw < 2 * half:
        return raw - 2 * half
    if signed and raw >= (1 << width) - half:
        return raw - (1 << width)
    raise NotANumber(f"is {raw}, which no {'signed' if signed else 'unsigned'} integer of {bits} bits is")
