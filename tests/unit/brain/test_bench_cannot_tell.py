"""Cannot tell, scored: what counts as hidden, answered, wrongly named and silent."""

from brain.bench.cannot_tell import Judged, bench_cannot_tell, count


def judged(fault: str, named: str = "", untold: str = "") -> Judged:
    return Judged(fault, frozenset(named.split()), frozenset(untold.split()))


def test_hand_worked() -> None:
    result = count(
        {
            "all": [
                judged("a", "a"),
                judged("b", "b"),
                judged("c", "c x"),
                judged("d", "d"),
                judged("e"),
                judged("f", "f"),
            ],
            "vibration": [
                judged("a", "a", "q"),  # found all the same
                judged("b", "", "b q"),  # the right answer
                judged("c", "x", "c q"),  # all sensors name x, too: not for want of a sensor
                judged("d", "y", "d q"),  # named something else instead
                judged("e", "", "e q"),  # never found: nothing to say
                judged("f", "q", "q"),  # wrongly named, and of q it was said that nobody can tell
            ],
            "voltage": [judged(mode, mode) for mode in "abcd"] + [judged("e"), judged("f")],
        }
    )
    assert (result["faults"], result["found_by_all_sensors"]) == (6, 5)
    part = result["missing"]["vibration"]
    assert (part["found"], part["hidden"]) == (1, 4)
    assert (part["answered"], part["wrongly_named"], part["silent"]) == (2, 2, 0)
    assert (part["said"], part["said_of_found"]) == (10, 1)
    assert result["missing"]["voltage"]["silent"] == 1
    assert (result["hidden"], result["answered_share"], result["said_of_found_share"]) == (5, 0.4, 0.1)


def test_a_small_plant_end_to_end() -> None:
    result = bench_cannot_tell(902, machines=5)
    assert result["found_by_all_sensors"] >= 2
    assert result["said_of_found"] == 0
    assert result["said"] > result["hidden"] == result["answered"] > 0
