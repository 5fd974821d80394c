"""The states of work orders as people read them, and the errors of a list that cannot work."""

import pytest
from pydantic import ValidationError

from plant import work_states, work_steps
from plant.work_states import _Machine


def test_a_job_has_a_way_from_its_beginning_to_its_end():
    assert next(iter(work_states())) == "open"
    for source, wanted in (
        ("open", "assigned"), ("assigned", "in_progress"), ("in_progress", "waiting_for_parts"),
        ("waiting_for_parts", "in_progress"), ("in_progress", "done"), ("done", "closed"),
    ):  # fmt: skip
        assert wanted in work_steps(source)
    assert work_steps("done")["closed"].role == "administrator"
    assert not work_steps("closed")
    assert not work_steps("cancelled")


def test_what_is_open_can_be_done_and_what_is_done_is_not_cancelled():
    for state in work_states().values():
        assert not (state.is_open and state.is_done)
        assert state.is_open == ("cancelled" in work_steps(state.key)) == ("done" in work_steps(state.key))


STATES = [{"key": key, "name_en": key, "name_zh": key} for key in ("open", "done")]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"from": "open", "to": "lost"}], "lost is no state"),
        ([{"from": "done", "to": "open"}], "no steps lead from open to done"),
        ([{"from": "open", "to": "done"}] * 2, "given twice"),
        ([{"from": "open", "to": "done", "role": "janitor"}], "role"),
    ],
)
def test_errors_say_what_is_wrong(steps, said):
    with pytest.raises(ValidationError, match=said):
        _Machine.model_validate({"states": STATES, "steps": steps})
