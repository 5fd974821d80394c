"""The fault library: failure modes as data, in Chinese and English. One TOML file each in plant/faults."""

from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plant.documents import DocumentError, documents, read_document
from plant.templates import Key, Severity


class FaultError(DocumentError):
    """A fault document is not right."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Symptom(_Document):
    """What is seen of a failure mode (ISO 13379-1: symptom and its strength).

    indicator: key of a quantity that analytics computes for every machine
    at, clear: the indicator's value from which the symptom is fully there, and up to which it is not at
        all; between them it is there in part. ``at`` below ``clear`` means that low values are the symptom.
    support: natural-log odds that the symptom adds when there; negative where it speaks against the mode
    denial: natural-log odds taken away when the symptom is not there; an unknown indicator changes nothing
    """

    indicator: Key
    at: float
    clear: float
    support: float = Field(ge=-12, le=12)
    denial: float = Field(default=0.0, ge=0, le=12)
    unit: str = "1"
    text_en: str
    text_zh: str

    @model_validator(mode="after")
    def _apart(self) -> "Symptom":
        if self.at == self.clear:
            raise ValueError(f"symptom {self.indicator}: at and clear must differ")
        return self

    def presence(self, value: float) -> float:
        """How far the symptom is there, 0..1."""
        return min(1.0, max(0.0, (value - self.clear) / (self.at - self.clear)))


class Words(_Document):
    """What people read of a failure mode."""

    name_en: str
    name_zh: str
    cause_en: str
    cause_zh: str
    advice_en: tuple[str, ...]
    advice_zh: tuple[str, ...]
    first_check_en: str
    first_check_zh: str


class Fault(Words):
    """A failure mode.

    kind: of the ``machine``, of its ``supply``, of a ``sensor``, or an unexplained ``departure``
    prior: share of machines having it at any time, from experience
    response_h: within how many hours someone should act once it is seen
    failure_h: typical hours from first sign to functional failure (P-F interval)
    bus, feeder: of a fault of the supply, its words where the machines of the bus share it, or where only one has it
    """

    key: Key
    kind: Literal["machine", "supply", "sensor", "departure"] = "machine"
    component: str
    templates: tuple[Key, ...]
    severity: Severity = Severity.WARNING
    prior: float = Field(default=0.01, gt=0, lt=1)
    response_h: float
    failure_h: float
    labour_h: float = 0.0
    parts: tuple[str, ...] = ()
    standard: str = ""
    source: str = ""
    bus: Words | None = None
    feeder: Words | None = None
    symptoms: tuple[Symptom, ...]

    @model_validator(mode="after")
    def _supply_has_places(self) -> "Fault":
        if (self.kind == "supply") != (self.bus is not None and self.feeder is not None):
            raise ValueError("a fault of the supply, and no other, has words for bus and feeder")
        return self

    def words(self, origin: str | None) -> Words:
        """The words for an origin, ``bus`` or ``feeder``; its own where that is not known."""
        return {"bus": self.bus, "feeder": self.feeder}.get(origin or "") or self


def load_fault(path: Traversable) -> Fault:
    """The failure mode of a TOML file; raises :class:`FaultError` naming file, key and reason."""
    return read_document(path, Fault, FaultError)


@cache
def fault_library() -> Mapping[str, Fault]:
    """All failure modes that ship with the product, by key."""
    return {fault.key: fault for fault in map(load_fault, documents("faults"))}
