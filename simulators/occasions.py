"""What befalls many machines at once, or a machine before its first reading: faults to put into a plan."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from plant import MachineSpec
from simulators.fleet import InjectedFault

# What a machine can be delivered or started again with: slow to grow, and lived with for weeks.
WORN_MODES = (
    "bearing_wear_de",
    "bearing_wear_nde",
    "cooling_blocked",
    "lubrication_lack",
    "winding_insulation_ageing",
    "misalignment",
    "rotor_imbalance",
    "loose_foundation",
)


def on_bus(
    specs: Sequence[MachineSpec], bus: str, failure_mode: str, onset: datetime, strength: float = 1.0
) -> tuple[InjectedFault, ...]:
    """A disturbance of the supply at every machine whose nameplate names this bus."""
    return tuple(
        InjectedFault(spec.site, spec.machine, failure_mode, onset, "", strength)
        for spec in specs
        if spec.nameplate.get("bus") == bus
    )


def worn_from_the_start(spec: MachineSpec, failure_mode: str, start: datetime, strength: float = 1.0) -> InjectedFault:
    """A fault that is as grown as it gets when the first reading comes, and so is learnt as normal."""
    return InjectedFault(spec.site, spec.machine, failure_mode, start - timedelta(days=2), "", strength, 24.0)
