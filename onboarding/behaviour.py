"""What samples of tags say of them."""

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


def line_voltages_of(tags: Sequence[Tag], numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Three tags in a row that lie close together near a voltage that supplies have."""
    figures = lexicon().behaviour
    place = 0
    while place + 3 <= len(numbers):
        three = (numbers[place], numbers[place + 1], numbers[place + 2])
        means = [sum(tags[number].samples) / len(tags[number].samples) for number in three]
        middle = sum(means) / 3
        near = any(abs(middle / volts - 1) <= figures.voltage_tolerance for volts in figures.line_voltages)
        units = {tags[number].unit for number in three} <= {"", "V"}
        if near and units and max(means) - min(means) <= figures.phase_spread * abs(middle):
            yield three
            place += 3
        else:
            place += 1
