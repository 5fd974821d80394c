"""Report by exception leaves out what says nothing new, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import ReportByException
from plant import Batch, MachineEntry, SignalDirectory, Template, TemplateError, template_library

SECOND = 1_000_000
MOTOR = template_library()["motor"]
DEADBANDS = {"current_u": 0.5, "winding_temperature": 1.0}


# The motor's template, with a deadband on two of its signals.
QUIET = MOTOR.model_copy(
    update={
        "signals": tuple(
            kind.model_copy(update={"deadband": DEADBANDS.get(kind.key, 0.0), "report_every_s": 10.0})
            for kind in MOTOR.signals
        )
    }
)


class Kept:
    """A sink that can refuse."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, float, int]] = []
        self.refuses = False

    async def put(self, batch: Batch, rejected: object = ()) -> None:
        if self.refuses:
            raise OSError("no space left on device")
        self.rows += zip(
            (batch.times // SECOND).tolist(),
            batch.signal_ids.tolist(),
            batch.values.tolist(),
            batch.qualities.tolist(),
            strict=True,
        )


def filtered() -> tuple[ReportByException, Kept]:
    kept = Kept()
    ids = {"current_u": 1, "winding_temperature": 2, "running": 3, "speed": 4}
    directory = SignalDirectory([MachineEntry("works", "line", "M1", "motor", ids, {})])
    return ReportByException(kept, lambda: directory, {"motor": QUIET}), kept


def batch(*rows: tuple[int, int, float, int]) -> Batch:
    return Batch.of_lists(
        [row[0] * SECOND for row in rows],
        [row[1] for row in rows],
        np.asarray([row[2] for row in rows], np.float64),
        [row[3] for row in rows],
    )


async def test_small_changes_are_left_out_and_drift_is_not() -> None:
    sink, kept = filtered()
    await sink.put(batch(*[(second, 1, second * 0.2, 0) for second in range(8)]))
    # Each is compared with the last that was reported, not with its neighbour.
    assert [row[0] for row in kept.rows] == [0, 3, 6]


async def test_silence_ends_quality_counts_and_states_always_pass() -> None:
    sink, kept = filtered()
    for second in range(0, 25, 5):
        await sink.put(batch((second, 2, 60.0, 0), (second, 3, 1.0, 0), (second, 4, 1470.0, 0)))
    assert [row[0] for row in kept.rows if row[1] == 2] == [0, 10, 20]
    assert len([row for row in kept.rows if row[1] in (3, 4)]) == 10
    await sink.put(batch((21, 2, 60.0, 1)))
    await sink.put(batch((22, 2, float("nan"), 2)))
    assert kept.rows[-2][0] == 21
    assert kept.rows[-1][0] == 22


async def test_what_was_refused_is_offered_again() -> None:
    sink, kept = filtered()
    kept.refuses = True
    with pytest.raises(OSError, match="no space"):
        await sink.put(batch((1, 1, 5.0, 0)))
    kept.refuses = False
    await sink.put(batch((1, 1, 5.0, 0)))
    assert kept.rows == [(1, 1, 5.0, 0)]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 60), st.sampled_from([1, 2]), st.floats(-3, 3), st.integers(0, 2)), max_size=9
        ),
        max_size=6,
    )
)
async def test_every_reading_left_out_is_near_one_that_was_reported(parts: list) -> None:
    sink, kept = filtered()
    for rows in parts:
        await sink.put(batch(*rows))
    deadband = {1: 0.5, 2: 1.0}
    for second, signal, value, quality in [row for rows in parts for row in rows]:
        assert any(
            at <= second < at + 10 and abs(said - value) <= deadband[signal] and quality == with_quality
            for at, of, said, with_quality in kept.rows
            if of == signal
        )


def test_a_state_takes_no_deadband() -> None:
    signals = [kind.model_dump() | ({"deadband": 0.5} if kind.key == "running" else {}) for kind in MOTOR.signals]
    with pytest.raises((TemplateError, ValueError), match="running is a state"):
        Template.model_validate(MOTOR.model_dump() | {"signals": signals})
