"""Physics of three-phase induction motors, vectorised over machines. All arrays are float64 (machines,)
or (steps, machines) where a time axis is named.

Electrical: active current from shaft power and efficiency, reactive current from magnetisation and leakage;
currents follow voltage unbalance six- to tenfold (NEMA MG-1, 14.36), here sevenfold, independent of load.
Starting: direct on line, at locked-rotor current until the inertia is up to speed (IEC 60034-12, design N); the current
falls only near the end, the speed rises evenly, and the line sags. A rotor that is held draws the same and stays.
Thermal: two nodes, winding and frame, each exact for a constant input over a step (dT = (T_end - T)
(1 - exp(-dt/tau))), so that steps of a minute and of a second agree. Losses relative to rated losses.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plant import MachineSpec

Array = NDArray[np.float64]

_UNBALANCE_GAIN = 7.0
_COPPER_SHARE = 0.7  # of rated losses; the rest is iron, friction and windage
_LOCKED_POWER_FACTOR = 0.32
_START_DROP = 0.35  # of the starting current, lost by the time the motor is up to speed


@dataclass(frozen=True, slots=True)
class Motors:
    """Constants of every machine, (machines,)."""

    power: Array
    voltage: Array
    current: Array
    synchronous_speed: Array
    slip: Array
    power_factor: Array
    efficiency: Array
    winding_over_frame: Array
    frame_over_ambient: Array
    winding_tau: Array
    frame_tau: Array
    bearing_tau: Array
    friction_rise: Array
    vibration_de: Array
    vibration_nde: Array
    vibration_load: Array
    voltage_offset: Array  # (machines, 3), natural deviations of UV, VW, WU from their mean
    current_offset: Array  # (machines, 3)
    ambient_offset: Array
    base_load: Array
    day_swing: Array  # of a continuous load over the day, relative
    low_load: Array  # that a continuous load falls to now and then, relative to the base load
    load_wander: Array  # standard deviation, relative
    phase: Array  # where in its duty cycle each machine is, 0..1
    locked_ratio: Array  # locked-rotor over rated current
    run_up_s: Array
    trip_s: Array  # after which its protection switches a stalled motor off
    line_sag: Array  # of the line voltage, relative, under locked-rotor current
    duty: NDArray[np.int8]  # 0 continuous, 1 cyclic, 2 intermittent
    line: NDArray[np.int64]

    @classmethod
    def of(cls, specs: tuple[MachineSpec, ...], seed: int) -> "Motors":
        """Machines of a plan; what a nameplate does not say is drawn from the seed."""
        n = len(specs)
        random = np.random.default_rng([seed, 2])

        def field(key: str) -> Array:
            return np.array([float(spec.nameplate[key]) for spec in specs])

        power = field("rated_power")
        synchronous = 120 * field("rated_frequency") / field("poles")
        offsets = random.normal(0, 0.0012, (n, 3))
        currents = random.normal(0, 0.006, (n, 3))
        lines = sorted({spec.line for spec in specs})
        duties = {"continuous": 0, "cyclic": 1, "intermittent": 2}
        size = np.log10(power / 5)
        duty = np.array([duties[str(spec.nameplate["duty"])] for spec in specs], np.int8)
        starting = np.random.default_rng([seed, 7])
        # A pump is up in seconds, a laden belt takes longer, a hoist is quick; large rotors take longer.
        inertia = np.array([2.6, 3.6, 1.2])[duty] * starting.uniform(0.7, 1.3, n) * (0.8 + 0.35 * size)
        make = np.random.default_rng([seed, 9])
        return cls(
            power=power,
            voltage=field("rated_voltage"),
            current=field("rated_current"),
            synchronous_speed=synchronous,
            slip=1 - field("rated_speed") / synchronous,
            power_factor=field("rated_power_factor"),
            efficiency=field("efficiency"),
            winding_over_frame=random.uniform(28, 40, n),
            frame_over_ambient=random.uniform(28, 40, n),
            winding_tau=(5 + 4 * size) * 60 * make.uniform(0.75, 1.4, n),
            frame_tau=(35 + 25 * size) * 60 * make.uniform(0.75, 1.4, n),
            bearing_tau=(14 + 6 * size) * 60 * make.uniform(0.75, 1.4, n),
            friction_rise=random.uniform(6, 12, n),
            vibration_de=random.uniform(0.55, 1.35, n),
            vibration_nde=random.uniform(0.5, 1.2, n),
            vibration_load=random.uniform(0.1, 0.35, n),
            voltage_offset=offsets - offsets.mean(axis=1, keepdims=True),
            current_offset=currents - currents.mean(axis=1, keepdims=True),
            ambient_offset=random.normal(2, 1.5, n),
            base_load=random.uniform(0.62, 0.88, n),
            day_swing=make.uniform(0.02, 0.1, n),
            # Two of five pumps serve a process that needs less of them for some hours of the day.
            low_load=np.where(make.random(n) < 0.4, make.uniform(0.7, 0.95, n), 1.0),
            load_wander=make.uniform(0.015, 0.045, n),
            phase=random.uniform(0, 1, n),
            locked_ratio=starting.uniform(6.0, 7.2, n),
            run_up_s=inertia,
            trip_s=inertia + starting.uniform(4.0, 7.0, n),
            line_sag=starting.uniform(0.02, 0.05, n),
            duty=duty,
            line=np.array([lines.index(spec.line) for spec in specs]),
        )


def duty_load(motors: Motors, seconds: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Load relative to rated and whether each machine runs, (steps, machines), from its duty alone.

    continuous: a pump, slow daily swing, some with easier hours every eight. cyclic: a conveyor, seven minutes laden
    and three light, with a pause of six minutes every four hours. intermittent: a crane, bursts of varying load
    between rests.
    """
    time = seconds[:, None]
    day = np.sin(2 * math.pi * (time / 86_400 + motors.phase))
    eased = (time / 28_800 + 7 * motors.phase) % 1 < 0.35
    continuous = motors.base_load * (1 + motors.day_swing * day) * np.where(eased, motors.low_load, 1.0)

    in_cycle = (time / 600 + motors.phase) % 1
    laden = in_cycle < 0.7
    pausing = (time / 14_400 + motors.phase) % 1 > 0.975
    cyclic = np.where(laden, motors.base_load, 0.4 * motors.base_load)

    slot = np.floor(time / 240 + motors.phase * 60)
    chance = _hash(slot, motors.phase)
    lifting = (chance < 0.55) & (((time / 240 + motors.phase * 60) % 1) < 0.6)
    intermittent = 0.45 + 0.5 * _hash(slot + 0.5, motors.phase)

    duty = motors.duty
    load = np.select([duty == 0, duty == 1], [continuous, cyclic], intermittent)
    running = np.select([duty == 0, duty == 1], [np.ones_like(load, bool), ~pausing], lifting)
    return np.where(running, load, 0.0), running


def run_up(
    motors: Motors, running: NDArray[np.bool_], lengths: Array, since_start: Array
) -> tuple[Array, Array, Array]:
    """How much of each step the machines spend starting, and how far up they are then; their last ages.

    running: (steps, machines); lengths: (steps,) [s]; since_start: (machines,) [s], infinite for one that runs since
    long, negative for one that stands. A start is taken to fall on the beginning of the step at whose end it runs.
    Returns share (steps, machines), speed reached on average 0..1 (steps, machines), since_start after the last step.
    """
    share, reached = np.zeros(running.shape), np.ones(running.shape)
    for step, length in enumerate(lengths):
        now = running[step]
        began = np.where(since_start < 0, 0.0, since_start)
        since_start = np.where(now, began + length, -1.0)
        if not (now & (began < motors.run_up_s)).any():
            continue
        until = np.minimum(since_start, motors.run_up_s)
        share[step] = np.where(now, np.clip(until - began, 0, None) / length, 0.0)
        reached[step] = np.where(share[step] > 0, (began + until) / 2 / motors.run_up_s, 1.0)
    return share, reached, since_start


def _hash(slot: Array, salt: Array) -> Array:
    """A number in 0..1 that looks random but is the same for the same slot and machine."""
    mixed: Array = (np.sin(slot * 12.9898 + salt * 78.233) * 43_758.5453) % 1
    return mixed


@dataclass(frozen=True, slots=True)
class Electrical:
    """Electrical state, (steps, machines) but for the three-phase quantities (steps, machines, 3)."""

    voltages: Array
    currents: Array
    power: Array
    power_factor: Array
    speed: Array
    copper: Array
    running: NDArray[np.bool_]


def electrical(
    motors: Motors,
    load: Array,
    running: NDArray[np.bool_],
    supply: Array,
    voltage_deviation: Array,
    open_phase: Array,
    shorted_turns: Array,
    loose_terminal: Array,
    starting: Array,
    reached: Array,
    stalled: Array,
) -> Electrical:
    """Voltages, currents, power and speed for a shaft load.

    supply: line voltage relative to rated; voltage_deviation: (steps, machines, 3) from the mean;
    open_phase, shorted_turns, loose_terminal: severities of those failure modes
    starting, stalled: share of the step spent so, 0..1; reached: speed while starting, relative to synchronous
    """
    mean_voltage = motors.voltage * supply
    voltages = mean_voltage[..., None] * (1 + voltage_deviation)
    # An open phase: two conductors carry it all, the terminal voltages at the open one sag.
    lost = open_phase > 0
    sag = np.array([-0.09, 0.01, -0.07])
    voltages = np.where(lost[..., None], voltages * (1 + sag), voltages)

    slip = motors.slip * load / np.maximum(supply, 0.5) ** 2 * np.where(lost, 2.2, 1.0)
    speed = np.where(running, motors.synchronous_speed * (1 - np.clip(slip, 0, 0.2)), 0.0)
    # Part-load efficiency: constant losses weigh more at low load.
    losses = (1 / motors.efficiency - 1) * (1 - _COPPER_SHARE + _COPPER_SHARE * load**2)
    input_power = motors.power * (load + losses) * np.where(lost, 1.04, 1.0)
    active = input_power * 1000 / (math.sqrt(3) * mean_voltage)
    rated_reactive = motors.current * np.sqrt(1 - motors.power_factor**2)
    reactive = rated_reactive * (0.8 * _magnetising(supply) + 0.2 * load**2 / np.maximum(supply, 0.5) ** 2)
    current = np.hypot(active, reactive)

    # Negative sequence depends on the voltages, not on the load: it is added in amperes of rated current.
    rolled = np.roll(voltage_deviation, 1, axis=-1)
    currents = current[..., None] * (1 + motors.current_offset) + (_UNBALANCE_GAIN * motors.current[..., None] * rolled)
    turns = np.array([0.24, -0.05, -0.07])
    currents = currents + motors.current[..., None] * shorted_turns[..., None] * turns
    # A bad contact in one lead: its phase carries less, the two others make up for it.
    lead = np.array([0.045, -0.13, 0.045])
    currents = currents * (1 + loose_terminal[..., None] * lead)
    currents = np.where(lost[..., None], current[..., None] * np.array([0.0, 1.72, 1.74]), currents)
    currents = np.where(running[..., None], np.maximum(currents, 0.0), 0.0)

    squares = np.mean(currents**2, axis=-1) / motors.current**2
    # Negative-sequence heating on top of the RMS (about 2 u^2, NEMA MG-1).
    unbalance = np.abs(currents - currents.mean(axis=-1, keepdims=True)).max(axis=-1) / motors.current
    copper = squares * (1 + 0.6 * np.where(lost, 0.0, unbalance) ** 2) + 0.1 * shorted_turns * running
    power = np.where(running, input_power, 0.0)

    # While it starts or is held it is a transformer with a shorted secondary, whatever the load.
    surge = starting + stalled
    inrush = motors.locked_ratio * supply * (1 - np.where(starting > 0, _START_DROP * reached**3, 0.0))
    currents = currents * (1 - surge[..., None]) + (surge * inrush * motors.current)[..., None] * (
        1 + motors.current_offset
    )
    voltages = voltages * (1 - surge * motors.line_sag)[..., None]
    measured = voltages.mean(axis=-1)
    locked_power = math.sqrt(3) * measured * inrush * motors.current * _LOCKED_POWER_FACTOR / 1000
    power = power * (1 - surge) + surge * locked_power
    speed = speed * (1 - surge) + starting * reached * motors.synchronous_speed
    copper = copper * (1 - surge) + surge * inrush**2
    mean_current = currents.mean(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        power_factor = np.where(mean_current > 0, power * 1000 / (math.sqrt(3) * measured * mean_current), 0.0)
    return Electrical(voltages, currents, power, np.clip(power_factor, 0, 1), speed, copper, running)


def _magnetising(supply: Array) -> Array:
    """Magnetising current relative to that at rated voltage: the iron saturates above it."""
    current: Array = supply**1.5 * (1 + 3 * np.maximum(supply - 1.05, 0))
    return current


@dataclass(slots=True)
class Thermal:
    """Temperatures that the model carries from step to step, (machines,) in degC."""

    winding: Array
    frame: Array
    bearing_de: Array
    bearing_nde: Array

    def step(
        self,
        motors: Motors,
        dt: float,
        copper: Array,
        running: NDArray[np.bool_],
        supply: Array,
        ambient: Array,
        cooling_resistance: Array,
        friction_de: Array,
        friction_nde: Array,
    ) -> None:
        """Go on by ``dt`` seconds with these losses.

        supply: line voltage relative to rated, whose square iron losses follow
        cooling_resistance: frame to ambient, relative to a clean running fan; a standing fan triples it
        """
        share = running.astype(np.float64)
        loss = _COPPER_SHARE * copper + (1 - _COPPER_SHARE) * share * supply**2
        resistance = cooling_resistance * np.where(running, 1.0, 3.0)
        frame_end = ambient + motors.frame_over_ambient * resistance * loss
        self.frame += (frame_end - self.frame) * (1 - np.exp(-dt / (motors.frame_tau * resistance)))
        winding_end = self.frame + motors.winding_over_frame * copper
        self.winding += (winding_end - self.winding) * (1 - np.exp(-dt / motors.winding_tau))
        settle = 1 - np.exp(-dt / motors.bearing_tau)
        base = ambient + 0.5 * (self.frame - ambient)
        self.bearing_de += (base + motors.friction_rise * friction_de * share - self.bearing_de) * settle
        self.bearing_nde += (base + 0.85 * motors.friction_rise * friction_nde * share - self.bearing_nde) * settle
