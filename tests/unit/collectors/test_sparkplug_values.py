"""What Sparkplug's types are worth as readings."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sparkplug_payload import Metric
from collectors.sparkplug_values import NotANumber, is_composite, number_of, quality_of
from plant import Quality

SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}


def metric(field: str, value: float | None, datatype: int = 0) -> Metric:
    return Metric("m", datatype=datatype, field=field, value=value)


def field_of(bits: int) -> tuple[str, int]:
    return ("int_value", 32) if bits <= 32 else ("long_value", 64)


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_signed_integers_come_as_twos_complement(datatype: int, data: st.DataObject) -> None:
    bits = SIGNED[datatype]
    number = data.draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
    field, width = field_of(bits)
    own_length = metric(field, number % (1 << bits))
    fields_length = metric(field, number % (1 << width))
    in_long = metric("long_value", number % (1 << 64))
    for sent in (own_length, fields_length, in_long):
        assert number_of(sent, datatype) == float(number)


@given(st.sampled_from(sorted(UNSIGNED)), st.data())
def test_unsigned_integers_come_as_they_are(datatype: int, data: st.DataObject) -> None:
    bits = UNSIGNED[datatype]
    number = data.draw(st.integers(0, (1 << bits) - 1))
    assert number_of(metric(field_of(bits)[0], number), datatype) == float(number)
    assert number_of(metric("long_value", number), datatype) == float(number)


@given(st.sampled_from([1, 2, 5, 6, 7]), st.integers(0, (1 << 64) - 1))
def test_what_does_not_fit_its_type_is_refused_and_never_bent(datatype: int, raw: int) -> None:
    bits = SIGNED.get(datatype) or UNSIGNED[datatype]
    try:
        number = int(number_of(metric("long_value", raw), datatype))
    except NotANumber:
        assert raw >= 1 << bits
    else:
        assert number % (1 << 64) == raw or number % (1 << bits) == raw


@pytest.mark.parametrize(
    ("sent", "datatype", "number"),
    [
        (metric("float_value", 1.5), 9, 1.5),
        (metric("double_value", 1e300), 10, 1e300),
        (metric("float_value", 1.5), 10, 1.5),
        (metric("boolean_value", True), 11, 1.0),
        (metric("boolean_value", False), 11, 0.0),
        (metric("long_value", 1_700_000_000_000), 13, 1.7e12),
        (metric("double_value", -2.5), 0, -2.5),
        (metric("boolean_value", True), 0, 1.0),
    ],
)
def test_numbers(sent: Metric, datatype: int, number: float) -> None:
    assert number_of(sent, datatype) == number


@pytest.mark.parametrize(
    ("sent", "datatype"),
    [
        (metric("string_value", None), 12),
        (metric("string_value", None), 0),
        (metric("", None), 3),
        (metric("float_value", math.inf), 9),
        (metric("float_value", 1.5), 3),
        (metric("int_value", 1), 11),
        (metric("int_value", 1), 0),
        (metric("boolean_value", True), 9),
    ],
)
def test_what_is_no_number_says_so(sent: Metric, datatype: int) -> None:
    with pytest.raises(NotANumber):
        number_of(sent, datatype)


def test_null_is_bad_and_missing() -> None:
    null = Metric("m", datatype=9, is_null=True, quality=192)
    assert math.isnan(number_of(null, 9))
    assert quality_of(null) is Quality.BAD


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (None, Quality.GOOD),
        (192, Quality.GOOD),
        (0, Quality.BAD),
        (500, Quality.UNCERTAIN),
        (216, Quality.GOOD),  # OPC DA: good, local override
        (24, Quality.BAD),  # OPC DA: bad, no communication
        (68, Quality.UNCERTAIN),
    ],
)
def test_quality(code: int | None, quality: Quality) -> None:
    assert quality_of(Metric("m", field="float_value", value=1.0, quality=code)) is quality


@pytest.mark.parametrize("datatype", [16, 17, 18, 19, 20, 21, *range(22, 35), 99])
def test_arrays_data_sets_and_templates_hold_no_single_value(datatype: int) -> None:
    assert is_composite(metric("bytes_value", None), datatype)


def test_texts_and_numbers_are_single_values() -> None:
    assert not any(is_composite(metric("", None), datatype) for datatype in range(1, 16))
    assert is_composite(metric("template_value", None), 0)
    assert not is_composite(metric("string_value", None), 0)
