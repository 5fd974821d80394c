"""Times as devices write them, by a format that a mapping names."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from collectors.native import EARLIEST, LATEST
from plant import to_microseconds

ReadTime: TypeAlias = Callable[[Any], int | None]

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Microseconds in the unit that a number counts since 1970-01-01 UTC."""

_DIGITS = frozenset("0123456789+-.eE")
_SAMPLE = datetime(2026, 11, 20, 18, 9, tzinfo=UTC)


class FormatError(ValueError):
    """A time format, or its zone, is of no use; the message says why."""


def time_reader(time_format: str, time_zone: str = "", *, text_numbers: bool = False) -> ReadTime:
    """What reads a value as microseconds since the epoch, and answers None where it is no time.

    time_format: ``rfc3339``, ``epoch_s``, ``epoch_ms``, ``epoch_us`` or a pattern of ``datetime.strptime``
    time_zone: IANA name; of times that do not say their own
    text_numbers: a number of seconds may be written as text

    A local time that a change of clocks makes twice, or leaves out, is none: nobody can tell when it was.
    Raises :class:`FormatError`.
    """
    zone = _zone(time_zone)
    if time_format in EPOCHS:
        if zone is not None:
            raise FormatError(f"{time_format} counts in UTC: leave time_zone out")
        return _epoch_reader(EPOCHS[time_format], text_numbers=text_numbers)
    if time_format == "rfc3339":
        # RFC 3339, 5.6: "t" and "z" may be written small.
        return _text_reader(lambda text: datetime.fromisoformat(text.upper()), zone)
    if "%" not in time_format:
        known = ", ".join(["rfc3339", *EPOCHS])
        raise FormatError(f"time format {time_format!r} is not known: it is {known} or a pattern with %")
    if "%Z" in time_format:
        raise FormatError(f"time format {time_format!r}: names of zones are ambiguous, give %z (+08:00) or time_zone")
    try:
        tried = datetime.strptime(_SAMPLE.strftime(time_format), time_format)  # noqa: DTZ007
    except ValueError as problem:
        raise FormatError(f"time format {time_format!r} is no pattern: {problem}") from problem
    if tried.replace(tzinfo=UTC) != _SAMPLE:
        raise FormatError(f"time format {time_format!r} must tell year, month, day, hour and minute")
    if tried.tzinfo is None and zone is None:
        raise FormatError(f"time format {time_format!r} says no zone: give time_zone, such as Asia/Shanghai")
    return _text_reader(lambda text: datetime.strptime(text, time_format), zone)  # noqa: DTZ007


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise FormatError(f"time zone {name!r} is not known: give an IANA name such as Asia/Shanghai") from problem


def _epoch_reader(unit_us: int, *, text_numbers: bool) -> ReadTime:
    def read(value: Any) -> int | None:
        if text_numbers and isinstance(value, str):
            value = number_of_text(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        if not EARLIEST / unit_us <= value <= LATEST / unit_us:  # NaN is not either
            return None
        return round(value * unit_us)

    return read


def _text_reader(parse: Callable[[str], datetime], zone: ZoneInfo | None) -> ReadTime:
    def read(value: Any) -> int | None:
        if not isinstance(value, str):
            return None
        try:
            moment = parse(value.strip())
            if moment.tzinfo is None:
                if zone is None:
                    return None
                moment = moment.replace(tzinfo=zone)
                if moment.utcoffset() != moment.replace(fold=1).utcoffset():
                    return None
            time = to_microseconds(moment)
        except (ValueError, OverflowError):
            return None
        return time if EARLIEST <= time <= LATEST else None

    return read


def number_of_text(text: str) -> int | float | None:
    """A decimal number in text, such as ``" -12.3e1"``; no ``nan``, ``1_000``, ``0x1`` or decimal comma."""
    text = text.strip()
    if len(text) > 40 or not text.isascii() or not set(text) <= _DIGITS:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
