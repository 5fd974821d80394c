"""What becomes of a work order: its states, and who may take it from one to another."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plant.documents import DocumentError, documents, read_document

_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class WorkStateError(DocumentError):
    """The states of work orders are not right."""


class WorkState(BaseModel):
    """A state; is_open: the order is being worked on; is_done: its cost counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: _Key
    name_en: str
    name_zh: str
    is_open: bool = False
    is_done: bool = False


class WorkStep(BaseModel):
    """A step from one state to another; role: the least one that may take it; needs: what must be known before."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: _Key = Field(alias="from")
    to: _Key
    role: Literal["engineer", "administrator"] = "engineer"
    needs: tuple[Literal["assignee"], ...] = ()


class _Machine(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    states: tuple[WorkState, ...]
    steps: tuple[WorkStep, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> "_Machine":
        keys = [state.key for state in self.states]
        if len(set(keys)) < len(keys):
            raise ValueError("a state is given twice")
        if len({(step.source, step.to) for step in self.steps}) < len(self.steps):
            raise ValueError("a step is given twice")
        reached = keys[:1]
        for state in reached:
            reached += [step.to for step in self.steps if step.source == state and step.to not in reached]
        for step in self.steps:
            if unknown := {step.source, step.to} - set(keys):
                raise ValueError(f"step {step.source} -> {step.to}: {', '.join(unknown)} is no state")
        if missing := set(keys) - set(reached):
            raise ValueError(f"no steps lead from {keys[0]} to {', '.join(sorted(missing))}")
        return self


@cache
def _machine() -> _Machine:
    (path,) = documents("work_orders")
    return read_document(path, _Machine, WorkStateError)


@cache
def work_states() -> Mapping[str, WorkState]:
    """All states by key; an order begins in the first."""
    return {state.key: state for state in _machine().states}


@cache
def work_steps(state: str) -> Mapping[str, WorkStep]:
    """The steps that lead on from a state, by the state they lead to."""
    return {step.to: step for step in _machine().steps if step.source == state}
