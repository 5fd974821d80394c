"""The reason tree of stops: planned or unplanned; mechanical, electrical, utility, material, operator."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plant.documents import DocumentError, documents, read_document

_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class ReasonError(DocumentError):
    """The reason tree is not right."""


class Reason(BaseModel):
    """Why a machine stopped.

    parent: the reason it is a kind of; planned: whether such a stop was meant
    failure_modes: of findings that propose this reason
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: _Key
    parent: _Key | None = None
    name_en: str
    name_zh: str
    planned: bool = False
    failure_modes: tuple[_Key, ...] = ()


class _Tree(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reasons: tuple[Reason, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> "_Tree":
        known: dict[str, Reason] = {}
        modes: set[str] = set()
        for reason in self.reasons:
            if reason.key in known:
                raise ValueError(f"reason {reason.key} is given twice")
            if reason.parent is not None and reason.parent not in known:
                raise ValueError(f"reason {reason.key}: parent {reason.parent!r} must come before it")
            if reason.parent is not None and known[reason.parent].planned != reason.planned:
                raise ValueError(f"reason {reason.key} and its parent must both be planned, or not")
            if doubled := modes & set(reason.failure_modes):
                raise ValueError(f"reason {reason.key}: {', '.join(sorted(doubled))} proposes another reason already")
            modes |= set(reason.failure_modes)
            known[reason.key] = reason
        return self


@cache
def reason_tree() -> Mapping[str, Reason]:
    """All reasons by key, parents before their children."""
    return {
        reason.key: reason
        for path in documents("reasons")
        for reason in read_document(path, _Tree, ReasonError).reasons
    }


def reason_of(failure_mode: str | None) -> str | None:
    """The reason that a finding of this failure mode proposes."""
    return next((reason.key for reason in reason_tree().values() if failure_mode in reason.failure_modes), None)


def branch_of(key: str) -> str:
    """The first level of a reason: ``bearing`` is ``mechanical``."""
    reason = reason_tree()[key]
    return branch_of(reason.parent) if reason.parent is not None else key
