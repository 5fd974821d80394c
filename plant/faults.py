"""The fault library: failure modes as data, in Chinese and English. One TOML file each in plant/faults."""

from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from plant.documents import DocumentError, documents, read_document
from plant.templates import Key, Severity


class FaultError(DocumentError):
    """A fault document is not right."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Symptom(_Document):
    """What is seen of a failure mode (ISO 13379-1: symptom and its strength).

    indicator: key of a quantity that analytics computes for every machine
    at: the indicator's value from which the symptom counts as present; below ``at / 2`` as absent
    direction: ``up`` or ``down``
    support: natural-log odds that the symptom's presence adds
    denial: natural-log odds that its absence takes away
    """

    indicator: Key
    direction: Literal["up", "down"] = "up"
    at: float
    support: float = Field(ge=-10, le=10)
    denial: float = Field(default=0.0, ge=0, le=10)
    text_en: str
    text_zh: str


class Fault(_Document):
    """A failure mode.

    kind: of the ``machine``, of its ``supply``, of a ``sensor``, or an unexplained ``departure``
    prior: share of machines having it at any time, from experience
    response_h: within how many hours someone should act once it is seen
    failure_h: typical hours from first sign to functional failure (P-F interval)
    """

    key: Key
    kind: Literal["machine", "supply", "sensor", "departure"] = "machine"
    component: str
    templates: tuple[Key, ...]
    name_en: str
    name_zh: str
    cause_en: str
    cause_zh: str
    advice_en: tuple[str, ...]
    advice_zh: tuple[str, ...]
    first_check_en: str
    first_check_zh: str
    severity: Severity = Severity.WARNING
    prior: float = Field(default=0.01, gt=0, lt=1)
    response_h: float
    failure_h: float
    labour_h: float = 0.0
    parts: tuple[str, ...] = ()
    standard: str = ""
    source: str = ""
    symptoms: tuple[Symptom, ...]


def load_fault(path: Traversable) -> Fault:
    """The failure mode of a TOML file; raises :class:`FaultError` naming file, key and reason."""
    return read_document(path, Fault, FaultError)


@cache
def fault_library() -> Mapping[str, Fault]:
    """All failure modes that ship with the product, by key."""
    return {fault.key: fault for fault in map(load_fault, documents("faults"))}
