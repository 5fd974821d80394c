"""The vocabulary of the plant: what a machine, a signal, a reading and a failure mode are.

Takes in nothing but TOML files of its own (templates and faults); hands out types that every other
room speaks. No I/O beyond reading those files, no knowledge of databases, protocols or pages.
"""

from plant.batch import MICROSECONDS, Batch, Origins, concatenate, to_datetime, to_microseconds
from plant.conversion import SOURCE_UNITS, Conversion, ConversionError, conversion
from plant.directory import MachineEntry, SignalDirectory
from plant.faults import Fault, Symptom, fault_library, load_fault
from plant.machine import MachineSpec, WorkRecord
from plant.quality import Quality
from plant.reasons import Reason, ReasonError, branch_of, reason_of, reason_tree
from plant.sink import RAW_BYTES, Rejected, Sink
from plant.templates import (
    Behaviour,
    Expectation,
    Limit,
    Nameplate,
    ResolvedLimit,
    Severity,
    SignalType,
    StateRule,
    Template,
    TemplateError,
    load_template,
    template_library,
)
from plant.units import UNITS, Unit, unit
from plant.work_states import WorkState, WorkStateError, WorkStep, work_states, work_steps

__all__ = [
    "MICROSECONDS",
    "RAW_BYTES",
    "SOURCE_UNITS",
    "UNITS",
    "Batch",
    "Behaviour",
    "Conversion",
    "ConversionError",
    "Expectation",
    "Fault",
    "Limit",
    "MachineEntry",
    "MachineSpec",
    "Nameplate",
    "Origins",
    "Quality",
    "Reason",
    "ReasonError",
    "Rejected",
    "ResolvedLimit",
    "Severity",
    "SignalDirectory",
    "SignalType",
    "Sink",
    "StateRule",
    "Symptom",
    "Template",
    "TemplateError",
    "Unit",
    "WorkRecord",
    "WorkState",
    "WorkStateError",
    "WorkStep",
    "branch_of",
    "concatenate",
    "conversion",
    "fault_library",
    "load_fault",
    "load_template",
    "reason_of",
    "reason_tree",
    "template_library",
    "to_datetime",
    "to_microseconds",
    "unit",
    "work_states",
    "work_steps",
]
