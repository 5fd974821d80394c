"""A plant to simulate: its machines with their nameplates, and what will break when."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from plant import MachineSpec
from simulators.faults import DEMO_MODES, EFFECTS

SITE = "demo-plant"
_LINES = ("cooling-water", "conveying", "mixing", "hoisting")
_KINDS = {
    "continuous": ("Pump", "循环泵", "P"),
    "cyclic": ("Conveyor", "输送机", "C"),
    "intermittent": ("Crane", "起重机", "H"),
}
# rated power [kW], poles, power factor, efficiency: catalogue values of IE3 motors at 400 V, 50 Hz
_SIZES = (
    (5.5, 4, 0.83, 0.896),
    (7.5, 4, 0.84, 0.904),
    (11.0, 4, 0.84, 0.914),
    (15.0, 4, 0.85, 0.921),
    (22.0, 4, 0.86, 0.930),
    (30.0, 4, 0.86, 0.936),
    (45.0, 4, 0.87, 0.942),
    (55.0, 2, 0.89, 0.943),
    (75.0, 4, 0.87, 0.950),
    (90.0, 6, 0.85, 0.949),
    (132.0, 4, 0.88, 0.956),
)


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """Something that breaks: at ``onset`` or, when gradual, from then on until fully grown.

    grows_h: how long a gradual fault takes; None for that of the failure mode
    """

    site: str
    machine: str
    failure_mode: str
    onset: datetime
    signal: str = ""
    strength: float = 1.0
    grows_h: float | None = None

    @property
    def is_sudden(self) -> bool:
        """Whether it is whole at once."""
        return EFFECTS[self.failure_mode].growth == "sudden"


@dataclass(frozen=True, slots=True)
class Outage:
    """A stop in the plant's past, mended since: a trip, a jam, a broken coupling."""

    machine: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PlantPlan:
    """The plant of one seed: the same for every start."""

    seed: int
    now: datetime
    history: timedelta
    specs: tuple[MachineSpec, ...]
    faults: tuple[InjectedFault, ...]
    outages: tuple[Outage, ...] = ()

    def truth(self) -> list[dict[str, str]]:
        """What was injected, for a judge outside the product."""
        return [
            {
                "site": fault.site,
                "machine": fault.machine,
                "failure_mode": fault.failure_mode,
                "onset": fault.onset.isoformat(),
            }
            for fault in self.faults
        ]

    def expected_readings(self, step_s: int) -> int:
        """About how many readings the history has."""
        return int(self.history.total_seconds() / step_s) * len(self.specs) * 16

    def to_json(self) -> bytes:
        """The plan as JSON."""
        return orjson.dumps(
            {
                "seed": self.seed,
                "now": self.now,
                "history_s": self.history.total_seconds(),
                "specs": [asdict(spec) for spec in self.specs],
                "faults": [asdict(fault) for fault in self.faults],
                "outages": [asdict(outage) for outage in self.outages],
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> "PlantPlan":
        """The plan that :meth:`to_json` wrote."""
        content: dict[str, Any] = orjson.loads(data)
        return cls(
            content["seed"],
            datetime.fromisoformat(content["now"]),
            timedelta(seconds=content["history_s"]),
            tuple(MachineSpec(**entry) for entry in content["specs"]),
            tuple(
                InjectedFault(**{**entry, "onset": datetime.fromisoformat(entry["onset"])})
                for entry in content["faults"]
            ),
            tuple(
                Outage(entry["machine"], datetime.fromisoformat(entry["start"]), datetime.fromisoformat(entry["end"]))
                for entry in content["outages"]
            ),
        )


def simulate_plan(machines: int, seed: int, now: datetime, history: timedelta) -> PlantPlan:
    """A plant of motors, about a quarter of which get one fault each.

    Gradual modes begin in the last day or so of the history, sudden ones within a minute after ``now``.
    """
    random = np.random.default_rng([seed, 1])
    specs = tuple(_spec(index, machines, random) for index in range(machines))
    count = min(len(DEMO_MODES), max(1, machines // 4))
    modes = DEMO_MODES[:count]
    continuous = [index for index, spec in enumerate(specs) if spec.nameplate["duty"] == "continuous"]
    chosen = random.permutation(continuous)[:count]
    faults = []
    for mode, index in zip(modes, chosen, strict=False):
        effect = EFFECTS[mode]
        if effect.growth == "gradual":
            hours = effect.grows_h * random.uniform(0.95, 1.4)
            onset = now - timedelta(hours=min(hours, history.total_seconds() / 3600 * 0.4))
        else:
            onset = now + timedelta(seconds=float(random.uniform(10, 40)))
        signal = str(random.choice(effect.signals)) if effect.signals else ""
        faults.append(InjectedFault(SITE, specs[index].machine, mode, onset, signal, float(random.uniform(0.85, 1.15))))
    outages = []
    for index in np.random.default_rng([seed, 4]).permutation(continuous)[: machines // 8]:
        # Well before now: a motor that has just been restarted is still warming up.
        start = now - history * float(random.uniform(0.15, 0.85))
        length = timedelta(minutes=float(random.uniform(15, 140)))
        outages.append(Outage(specs[index].machine, start, start + length))
    return PlantPlan(seed, now, history, specs, tuple(faults), tuple(outages))


def labelled_plan(
    machines: int, seed: int, start: datetime, days: float, failure_h: Mapping[str, float], share: float = 0.5
) -> PlantPlan:
    """A plant over weeks from ``start`` on: a share of its machines get one fault each, all modes equally often.

    failure_h: failure mode -> typical time from its first sign to functional failure [h]. Gradual modes grow over
    that time; sudden ones are whole at once, and end in failure that much later. Faults begin after the fifth day and
    early enough to fail before the end. Every machine also stops for a while about every twenty days.
    """
    random = np.random.default_rng([seed, 6])
    specs = tuple(_spec(index, machines, np.random.default_rng([seed, 1, index])) for index in range(machines))
    horizon_h = (days - 5) * 24
    modes = [mode for mode in EFFECTS if mode in failure_h and failure_h[mode] * 0.7 < horizon_h]
    loaded = [index for index, spec in enumerate(specs) if spec.nameplate["duty"] == "continuous"]
    free = [*random.permutation(machines)]
    faults = []
    for number in range(round(machines * share)):
        mode = modes[number % len(modes)]
        effect = EFFECTS[mode]
        fitting = [index for index in free if not effect.needs_load or index in loaded]
        if not fitting:
            continue
        free.remove(fitting[0])
        length_h = min(failure_h[mode] * float(random.uniform(0.7, 1.3)), horizon_h)
        onset = start + timedelta(days=5, hours=float(random.uniform(0, horizon_h - length_h)))
        signal = str(random.choice(effect.signals)) if effect.signals else ""
        strength = float(random.uniform(0.85, 1.15))
        faults.append(InjectedFault(SITE, specs[fitting[0]].machine, mode, onset, signal, strength, length_h))
    short = {fault.machine: fault for fault in faults if fault.grows_h is not None and fault.grows_h < 24}
    # Half of the rotors that are held are held at a start, the others while they run.
    outages = [
        Outage(fault.machine, fault.onset - timedelta(minutes=float(random.uniform(10, 40))), fault.onset)
        for fault in faults
        if fault.failure_mode == "locked_rotor" and random.random() < 0.5
    ]
    for spec in specs:
        for _ in range(int(random.poisson(days / 20))):
            begins = start + timedelta(days=float(random.uniform(0, days)))
            ends = begins + timedelta(minutes=float(random.uniform(15, 140)))
            fault = short.get(spec.machine)
            # What lasts an hour happens to a machine that runs.
            if fault is None or ends < fault.onset or begins > fault.onset + timedelta(days=1):
                outages.append(Outage(spec.machine, begins, ends))
    return PlantPlan(seed, start, timedelta(0), specs, tuple(faults), tuple(outages))


def _spec(index: int, machines: int, random: np.random.Generator) -> MachineSpec:
    # Three of five run continuously, so that there is room for every fault on a loaded machine.
    duty = ("continuous", "cyclic", "continuous", "intermittent", "continuous")[index % 5]
    if machines < 5:
        duty = "continuous"
    kind_en, kind_zh, letter = _KINDS[duty]
    power, poles, power_factor, efficiency = _SIZES[int(random.integers(len(_SIZES)))]
    current = power * 1000 / (math.sqrt(3) * 400 * power_factor * efficiency)
    slip = float(np.clip(0.035 - 0.006 * math.log(power), 0.008, 0.03))
    number = index + 1
    spec = MachineSpec(
        site=SITE,
        line=_LINES[index % len(_LINES)],
        machine=f"{letter}{number:03d}",
        name=f"{kind_en} {number} · {kind_zh}{number}号",
        template="motor",
        area="hall-1",
        nameplate={
            "rated_power": power,
            "rated_voltage": 400.0,
            "rated_current": round(current, 1),
            "rated_frequency": 50.0,
            "rated_speed": round(6000 / poles * (1 - slip)),
            "poles": float(poles),
            "rated_power_factor": power_factor,
            "efficiency": efficiency,
            "insulation_class": "F" if random.random() < 0.8 else "H",
            "duty": duty,
            "vibration_group": "2",
            "mounting": "rigid" if random.random() < 0.8 else "flexible",
            "bus": f"MCC-{_LINES[index % len(_LINES)]}",
        },
        downtime_cost_per_h=float(round(random.uniform(800, 12_000), -2)),
        site_name="Demo plant · 示范工厂",
        time_zone="Asia/Shanghai",
    )
    return replace(spec, nameplate={**spec.nameplate, "rated_speed": float(spec.nameplate["rated_speed"])})
