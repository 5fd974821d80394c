"""What samples and ranges of tags say of them."""

from collections.abc import Iterator, Sequence

from onboarding.lexicon import lexicon
from onboarding.tags import Tag
from plant import Conversion, SignalType


def outside(samples: Sequence[float], signal: SignalType, to_signal: Conversion) -> str:
    """What is strange about samples for this signal; empty where nothing is."""
    values = [to_signal(sample) for sample in samples]
    if not values:
        return ""
    low, high = signal.plausible_min, signal.plausible_max
    if signal.kind == "bool" and any(value not in {0.0, 1.0} for value in values):
        return f"its values are not only 0 and 1, as those of {signal.name_en} must be"
    strange = [value for value in values if (low is not None and value < low) or (high is not None and value > high)]
    if not strange:
        return ""
    return f"its values, such as {strange[0]:g} {signal.unit}, cannot be {signal.name_en}: is the unit right?"


def raw_range(tag: Tag) -> str:
    """What is strange about the range of a tag without a unit: that of a converter's counts, or of per cent."""
    figures = lexicon().behaviour
    if tag.unit or tag.low is None or tag.high is None:
        return ""
    if tag.high in figures.converter_tops:
        return f"its range ends at {tag.high:g}, as the counts of a converter do: what is it in the unit?"
    if (tag.low, tag.high) == (0.0, 100.0):
        return "its range is 0 to 100 without a unit: is it per cent?"
    return ""


def phases_of(tags: Sequence[Tag], numbers: Sequence[int]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Three tags in a row that lie close together: ``voltage`` near one that supplies have, ``current`` in A."""
    place = 0
    while place + 3 <= len(numbers):
        three = (numbers[place], numbers[place + 1], numbers[place + 2])
        quantity = _quantity([tags[number] for number in three])
        if quantity:
            yield quantity, three
        place += 3 if quantity else 1


def _quantity(three: Sequence[Tag]) -> str:
    """What three tags are phases of; empty where they are none."""
    figures = lexicon().behaviour
    means = [sum(tag.samples) / len(tag.samples) for tag in three]
    middle = sum(means) / 3
    units = {tag.unit for tag in three}
    if units == {"A"} and middle > 0 and max(means) - min(means) <= figures.current_spread * middle:
        return "current"
    near = any(abs(middle / volts - 1) <= figures.voltage_tolerance for volts in figures.line_voltages)
    if units <= {"", "V"} and near and max(means) - min(means) <= figures.phase_spread * abs(middle):
        return "voltage"
    return ""
