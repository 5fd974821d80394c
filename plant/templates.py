"""Templates: a machine type as data. One TOML file each in plant/templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from plant.documents import DocumentError, documents, read_document
from plant.units import UNITS

Nameplate = Mapping[str, float | str]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
UnitCode = Annotated[str, Field(json_schema_extra={"enum": list(UNITS)})]


class TemplateError(DocumentError):
    """A template, or a nameplate given for it, is not right."""


class Severity(StrEnum):
    """How much a limit or finding matters, mildest first."""

    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"
    CRITICAL = "critical"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignalType(_Document):
    """A measured quantity of this machine type.

    response: ``fast`` follows the load within seconds, ``slow`` is thermal and drifts for hours; the two
        are judged differently
    plausible_min, plausible_max: outside of these the sensor, not the machine, is at fault
    deadband: changes up to this, in the signal's unit, are not reported (0: every reading is); for numbers alone
    report_every_s: a signal that does not change is reported so often all the same; below a minute, so that no
        minute goes without
    """

    key: Key
    unit: UnitCode
    name_en: str
    name_zh: str
    kind: Literal["number", "bool"] = "number"
    response: Literal["fast", "slow"] = "fast"
    resolution: float = 0.0
    plausible_min: float | None = None
    plausible_max: float | None = None
    deadband: float = Field(0.0, ge=0)
    report_every_s: float = Field(30.0, gt=0, le=60)

    @model_validator(mode="after")
    def _known_unit(self) -> "SignalType":
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r} of {self.key} is not known")
        if self.kind == "bool" and self.deadband:
            raise ValueError(f"{self.key} is a state: each change is reported, it takes no deadband")
        return self


class NameplateField(_Document):
    """A field of the nameplate, with the value taken where nobody gives one."""

    key: Key
    unit: UnitCode = "1"
    name_en: str
    name_zh: str
    default: float | str
    choices: tuple[str, ...] = ()


class Threshold(_Document):
    """A number, or how to get it from the nameplate: ``factor`` times a field, or a table's row.

    A table is chosen by nameplate words: ``by = ["insulation_class"]`` looks up
    ``tables.<table>.<word>``; several fields are joined by ``/``. ``offset`` is added at the end.
    """

    value: float | None = None
    factor: float = 1.0
    of: str | None = None
    table: str | None = None
    by: tuple[str, ...] = ()
    offset: float = 0.0

    @model_validator(mode="after")
    def _one_way(self) -> "Threshold":
        if sum(part is not None for part in (self.value, self.of, self.table)) != 1:
            raise ValueError("give exactly one of value, of (a nameplate field) or table")
        return self


class Limit(_Document):
    """A limit on a signal or derived indicator.

    indicator: key of a signal, or of a derived quantity that analytics computes
    delay_s: how long the limit must be broken before it alarms (ISA-18.2 on-delay)
    deadband: how far back inside it must come to clear, in the indicator's unit
    when: ``running`` judges only a running machine past its start, ``any`` always
    verified: whether someone with the standard's text has signed the number
    """

    key: Key
    indicator: Key
    above: Threshold | None = None
    below: Threshold | None = None
    severity: Severity
    delay_s: float = 0.0
    deadband: float = 0.0
    when: Literal["running", "any"] = "running"
    failure_modes: tuple[Key, ...] = ()
    name_en: str
    name_zh: str
    standard: str
    edition: str = ""
    source: str = ""
    verified: bool = False

    @model_validator(mode="after")
    def _one_side(self) -> "Limit":
        if (self.above is None) == (self.below is None):
            raise ValueError(f"limit {self.key}: give exactly one of above or below")
        return self


class Condition(_Document):
    """A comparison inside a state rule."""

    indicator: Key
    above: Threshold | None = None
    below: Threshold | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "Condition":
        if (self.above is None) == (self.below is None):
            raise ValueError("give exactly one of above or below")
        return self


class StateRule(_Document):
    """``state`` holds where all conditions do; the first rule that matches wins.

    An indicator without a value makes its condition unknown, and the rule does not match.
    """

    state: Literal["running", "idle", "starting", "stopped"]
    conditions: tuple[Condition, ...]


class OperatingRule(_Document):
    """When a standstill inside scheduled time is a stop that counts.

    duty: the nameplate's word this row holds for; ``*`` for any
    standstill_s: a standstill longer than this is downtime (shorter ones belong to the duty)
    """

    duty: str
    standstill_s: float


@dataclass(frozen=True, slots=True)
class ResolvedLimit:
    """A limit with its number worked out for one nameplate."""

    limit: Limit
    above: bool
    threshold: float


class Expectation(_Document):
    """A signal that a normal machine's other signals foretell.

    features: names that :mod:`analytics.features` computes from the other signals
    when: ``running`` learns and judges running machines only
    """

    signal: Key
    features: tuple[str, ...]
    when: Literal["running", "any"] = "any"


class Behaviour(_Document):
    """How normal behaviour is learnt.

    sampling_s: spacing of the samples it is learnt on
    baseline_samples: how many of them, from commissioning on, are taken as normal
    minimum_samples: fewer than this are not enough to judge by
    """

    sampling_s: float = 60.0
    baseline_samples: int = 4320
    minimum_samples: int = 1440
    expectations: tuple[Expectation, ...] = ()


class PeerLevel(_Document):
    """A level by which machines of this type are compared with one another.

    indicator: key of a quantity that analytics computes
    scale: ``log`` where machines differ by factors
    explained_by: an indicator whose effect on the level is taken out first, by a line through the machines
    least_spread: machines are no more alike than this, in the level's unit (of its natural logarithm)
    side: ``above`` where only high levels are bad
    """

    indicator: Key
    scale: Literal["linear", "log"] = "linear"
    explained_by: Key | None = None
    least_spread: float = Field(gt=0)
    side: Literal["above", "both"] = "above"
    unit: UnitCode = "1"
    text_en: str
    text_zh: str


class PeerGroup(_Document):
    """Who is compared with whom, and by what; without levels nobody is.

    same: nameplate fields that must be equal; size: a nameplate number, at most ``within`` times as large or small
    least: so many others there must be; days: so many of the newest are looked at, ``least_days`` there must be
    """

    same: tuple[Key, ...] = ()
    size: Key | None = None
    within: float = Field(3.0, ge=1)
    least: int = Field(8, ge=3)
    days: int = Field(7, ge=1)
    least_days: int = Field(2, ge=1)
    levels: tuple[PeerLevel, ...] = ()


class Template(_Document):
    """A machine type."""

    key: Key
    version: int
    name_en: str
    name_zh: str
    signals: tuple[SignalType, ...]
    nameplate: tuple[NameplateField, ...] = ()
    tables: dict[str, dict[str, float]] = {}
    limits: tuple[Limit, ...] = ()
    states: tuple[StateRule, ...] = ()
    operating: tuple[OperatingRule, ...] = ()
    behaviour: Behaviour = Behaviour()
    peers: PeerGroup = PeerGroup()
    failure_modes: tuple[Key, ...] = ()
    kpis: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Template":
        for what, keys in (
            ("signal", [entry.key for entry in self.signals]),
            ("nameplate field", [entry.key for entry in self.nameplate]),
            ("limit", [entry.key for entry in self.limits]),
        ):
            doubled = sorted({key for key in keys if keys.count(key) > 1})
            if doubled:
                raise ValueError(f"{what} given twice: {', '.join(doubled)}")
        nameplate = self.complete_nameplate({})
        for limit in self.limits:
            self._number(limit.above or limit.below, nameplate, f"limit {limit.key}")
        for rule in self.states:
            for condition in rule.conditions:
                self._number(condition.above or condition.below, nameplate, f"state {rule.state}")
        for key in (*self.peers.same, *filter(None, [self.peers.size])):
            if key not in nameplate:
                raise ValueError(f"peers are compared by {key}, which is no field of the nameplate")
        return self

    def signal(self, key: str) -> SignalType:
        """The signal of a key; ``KeyError`` naming template and key otherwise."""
        for entry in self.signals:
            if entry.key == key:
                return entry
        raise KeyError(f"template {self.key} has no signal {key!r}")

    def complete_nameplate(self, given: Nameplate) -> dict[str, float | str]:
        """The nameplate with defaults filled in; raises :class:`TemplateError` for a wrong field."""
        known = {entry.key: entry for entry in self.nameplate}
        for key, value in given.items():
            if key not in known:
                raise TemplateError(
                    f"nameplate field {key!r} is not known to template {self.key}; known are "
                    f"{', '.join(known) or 'none'}"
                )
            wanted = known[key]
            if isinstance(wanted.default, str) != isinstance(value, str):
                kind = "a word" if isinstance(wanted.default, str) else f"a number in {wanted.unit}"
                raise TemplateError(f"nameplate field {key!r} must be {kind}, not {value!r}")
            if wanted.choices and value not in wanted.choices:
                raise TemplateError(
                    f"nameplate field {key!r} must be one of {', '.join(wanted.choices)}, not {value!r}"
                )
        return {key: given.get(key, entry.default) for key, entry in known.items()}

    def resolved_limits(self, nameplate: Nameplate) -> list[ResolvedLimit]:
        """All limits with their numbers for one complete nameplate."""
        resolved = []
        for limit in self.limits:
            number = self._number(limit.above or limit.below, nameplate, f"limit {limit.key}")
            resolved.append(ResolvedLimit(limit, limit.above is not None, number))
        return resolved

    def threshold(self, threshold: Threshold, nameplate: Nameplate) -> float:
        """The number of a threshold for one complete nameplate."""
        return self._number(threshold, nameplate, "threshold")

    def standstill_s(self, nameplate: Nameplate) -> float:
        """How long this machine may stand inside scheduled time before it counts as downtime [s]."""
        duty = nameplate.get("duty", "*")
        for rule in self.operating:
            if rule.duty in (duty, "*"):
                return rule.standstill_s
        return 0.0

    def _number(self, threshold: Threshold | None, nameplate: Nameplate, where: str) -> float:
        if threshold is None:
            raise TemplateError(f"{where} of template {self.key} has no threshold")
        if threshold.value is not None:
            return threshold.value + threshold.offset
        if threshold.of is not None:
            base = nameplate.get(threshold.of)
            if not isinstance(base, int | float):
                raise TemplateError(f"{where}: nameplate field {threshold.of!r} is not a number of {self.key}")
            return threshold.factor * float(base) + threshold.offset
        row = "/".join(str(nameplate.get(field)) for field in threshold.by)
        try:
            return threshold.factor * self.tables[str(threshold.table)][row] + threshold.offset
        except KeyError:
            raise TemplateError(f"{where}: table {threshold.table!r} has no row {row!r}") from None


def load_template(path: Traversable) -> Template:
    """The template of a TOML file; raises :class:`TemplateError` naming file, key and reason."""
    return read_document(path, Template, TemplateError)


@cache
def template_library() -> Mapping[str, Template]:
    """All templates that ship with the product, by key."""
    return {template.key: template for template in map(load_template, documents("templates"))}
