"""The running plant: physics, failure modes and sensors put together, in steps of any length."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from plant import MICROSECONDS, Quality, to_microseconds
from simulators.faults import EFFECTS
from simulators.fleet import InjectedFault, PlantPlan
from simulators.motor import Array, Motors, Thermal, duty_load, electrical, run_up
from simulators.sensors import NOISE, Sensors, round_to, swap_phases

SIGNALS = (*NOISE, "running")
_WALKS = ("load", "supply", "vibration_de", "vibration_nde", "looseness")
_WALK_TAU = {"load": 1200.0, "supply": 600.0, "vibration_de": 300.0, "vibration_nde": 300.0, "looseness": 15.0}
_HOUR_US = 3600 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Samples:
    """What the sensors of all machines said.

    times: int64 (steps,), microseconds since the epoch
    signals: key -> float64 (steps, machines), rounded to the sensor's resolution
    qualities: key -> int16 (steps, machines), only of signals that are not all good
    """

    times: NDArray[np.int64]
    signals: dict[str, Array]
    qualities: dict[str, NDArray[np.int16]]


class PlantSimulation:
    """A plant in motion. The same plan and the same steps give the same readings, however they are asked for."""

    def __init__(self, plan: PlantPlan) -> None:
        self.plan = plan
        self._motors = Motors.of(plan.specs, plan.seed)
        n = len(plan.specs)
        self._random = np.random.default_rng([plan.seed, 3])
        self.time = to_microseconds(plan.now - plan.history)
        warm = np.full(n, 30.0)
        self._thermal = Thermal(warm + 35, warm + 20, warm + 15, warm + 12)
        self._walks = np.zeros((len(_WALKS), n))
        self._since_start = np.full(n, np.inf)
        self._frozen: dict[str, float] = {}
        self._sensors = Sensors.of(n, plan.seed)
        index = {(spec.site, spec.machine): number for number, spec in enumerate(plan.specs)}
        names = {spec.machine: number for number, spec in enumerate(plan.specs)}
        self._outages = [
            (names[outage.machine], to_microseconds(outage.start), to_microseconds(outage.end))
            for outage in plan.outages
        ]
        self._faults = [(index[fault.site, fault.machine], fault) for fault in plan.faults]
        self._warm_up()

    def advance(self, to_us: int, step_s: float) -> Samples:
        """Samples at every step after the last one, up to and including ``to_us``."""
        step_us = int(step_s * MICROSECONDS)
        first = (self.time // step_us + 1) * step_us
        times = np.arange(first, to_us + 1, step_us, dtype=np.int64)
        if len(times):
            lengths = np.diff(times, prepend=self.time) / MICROSECONDS
            self.time = int(times[-1])
            return self._measure(times, lengths)
        return Samples(times, {key: np.zeros((0, len(self.plan.specs))) for key in SIGNALS}, {})

    def skip(self, to_us: int) -> None:
        """Let time pass without readings, as while the plant was not connected."""
        while to_us - self.time > 120 * MICROSECONDS:
            self.advance(min(to_us - 60 * MICROSECONDS, self.time + 6 * _HOUR_US), 60)

    def to_bytes(self) -> bytes:
        """The state, for a later start; plain arrays, never pickle."""
        buffer = io.BytesIO()
        thermal = self._thermal
        state = {"time": self.time, "random": self._random.bit_generator.state, "frozen": self._frozen}
        np.savez(
            buffer,
            thermal=np.stack([thermal.winding, thermal.frame, thermal.bearing_de, thermal.bearing_nde]),
            walks=self._walks,
            since_start=self._since_start,
            state=np.frombuffer(orjson.dumps(_words(state)), np.uint8),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, plan: PlantPlan, data: bytes) -> "PlantSimulation":
        """The simulation of a plan in the state that :meth:`to_bytes` wrote."""
        simulation = cls(plan)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            simulation._thermal = Thermal(*arrays["thermal"])
            simulation._walks = arrays["walks"]
            if "since_start" in arrays:  # a plant of an earlier version is taken to run since long
                simulation._since_start = arrays["since_start"]
            state = _numbers(orjson.loads(arrays["state"].tobytes()))
        simulation.time = state["time"]
        simulation._random.bit_generator.state = state["random"]
        simulation._frozen = state["frozen"]
        return simulation

    def _warm_up(self) -> None:
        """Run half a day before the first sample, so that history does not begin with a cold plant."""
        start = self.time
        self.time = start - 12 * _HOUR_US
        self.advance(start, 60)

    def _severity(self, times: NDArray[np.int64]) -> dict[str, Array]:
        """Parameter -> (steps, machines), the sum of what the faults add."""
        changes: dict[str, Array] = {}
        for machine, fault in self._faults:
            effect = EFFECTS[fault.failure_mode]
            if effect.sensor is not None and fault.signal:
                continue
            grown = self._grown(times, fault) * fault.strength
            for parameter, amount in effect.change.items():
                target = changes.setdefault(parameter, np.zeros((len(times), len(self.plan.specs))))
                target[:, machine] += amount * grown
        return changes

    @staticmethod
    def _grown(times: NDArray[np.int64], fault: InjectedFault) -> Array:
        effect, onset = EFFECTS[fault.failure_mode], to_microseconds(fault.onset)
        if effect.growth == "sudden":
            return (times >= onset).astype(np.float64)
        length_us = (effect.grows_h if fault.grows_h is None else fault.grows_h) * _HOUR_US
        grown: Array = np.clip((times - onset) / length_us, 0, 1)
        return grown

    def _measure(self, times: NDArray[np.int64], lengths: Array) -> Samples:
        motors = self._motors
        steps, n = len(times), len(self.plan.specs)
        seconds = times / MICROSECONDS
        noise = self._random.standard_normal((steps, len(_WALKS) + len(NOISE), n))
        walks = self._walk(noise[:, : len(_WALKS)], lengths)
        zero = np.zeros((steps, n))
        change = self._severity(times)

        load, running = duty_load(motors, seconds)
        for machine, start, end in self._outages:
            running[(times >= start) & (times < end), machine] = False
        running &= ~self._off_by_control(seconds, change.get("hunting", zero))
        stalled = self._stall(times, lengths, running)
        starting, reached, self._since_start = run_up(motors, running, lengths, self._since_start)
        starting, reached = np.where(stalled > 0, 0.0, starting), np.where(stalled > 0, 1.0, reached)
        load = np.where(running, load, 0.0)
        load = load * np.clip(1 + motors.load_wander * walks["load"], 0.7, 1.3)
        # An overload is a load beyond the rated one, whatever the machine usually does.
        over = np.clip(change.get("overload", zero), 0, 1.4)
        usual = np.where(running, np.clip(load / motors.base_load, 0.92, 1.1), 0.0)
        load = np.where(over > 0, usual * np.maximum(over, 1.32), load)
        supply = 1 + self._supply(seconds, walks["supply"]) + change.get("supply", zero)
        dip = change.get("voltage_dip_wu", zero)
        deviation = motors.voltage_offset + dip[..., None] * np.array([0.5, 0.5, -1.0])
        state = electrical(
            motors,
            load,
            running,
            supply,
            deviation,
            change.get("open_phase", zero),
            change.get("shorted_turns", zero),
            change.get("loose_terminal", zero),
            starting,
            reached,
            stalled,
        )
        ambient = self._ambient(seconds)
        wear_de, wear_nde = change.get("wear_de", zero), change.get("wear_nde", zero)
        misaligned = change.get("misalignment", zero)
        friction_de = 1 + 2.4 * wear_de + 1.6 * change.get("friction_de", zero) + 0.6 * misaligned
        friction_nde = 1 + 2.4 * wear_nde + 1.6 * change.get("friction_nde", zero)
        resistance = 1 + change.get("cooling_resistance", zero)

        temperatures = np.empty((4, steps, n))
        for step in range(steps):
            self._thermal.step(
                motors,
                float(lengths[step]),
                state.copper[step],
                running[step],
                supply[step],
                ambient[step],
                resistance[step],
                friction_de[step],
                friction_nde[step],
            )
            thermal = self._thermal
            temperatures[:, step] = thermal.winding, thermal.frame, thermal.bearing_de, thermal.bearing_nde

        turning = (state.speed / motors.synchronous_speed) ** 2
        loaded = 1 + motors.vibration_load * (load - 0.7)
        loose = change.get("looseness", zero) * np.clip(1.6 + 0.5 * walks["looseness"], 0.4, 3.0) * (0.4 + load)
        balance = change.get("imbalance", zero) * 1.5
        growth_de = 1 + 2.2 * wear_de + loose + balance + 1.5 * misaligned + 0.15 * change.get("friction_de", zero)
        growth_nde = 1 + 2.2 * wear_nde + loose + 0.8 * balance + 0.6 * misaligned
        vibration_de = motors.vibration_de * turning * loaded * growth_de * np.exp(0.03 * walks["vibration_de"])
        vibration_nde = motors.vibration_nde * turning * loaded * growth_nde * np.exp(0.03 * walks["vibration_nde"])

        true = {
            **{f"current_{name}": state.currents[..., index] for index, name in enumerate("uvw")},
            **{f"voltage_{name}": state.voltages[..., index] for index, name in enumerate(("uv", "vw", "wu"))},
            "winding_temperature": temperatures[0],
            "bearing_temperature_de": temperatures[2],
            "bearing_temperature_nde": temperatures[3],
            "ambient_temperature": ambient,
            "vibration_velocity_de": np.where(running, np.maximum(vibration_de, 0.06), 0.06),
            "vibration_velocity_nde": np.where(running, np.maximum(vibration_nde, 0.05), 0.05),
            "speed": state.speed,
            "power": state.power,
            "power_factor": state.power_factor,
        }
        sensor_noise = noise[:, len(_WALKS) :]
        measured = {
            key: self._sensors.sense(key, value, sensor_noise[:, index])
            for index, (key, value) in enumerate(true.items())
        }
        measured["running"] = running.astype(np.float64)
        return Samples(times, measured, self._break_sensors(times, measured, sensor_noise))

    def _off_by_control(self, seconds: Array, hunting: Array) -> NDArray[np.bool_]:
        """Whether a control that hunts has switched a machine off, (steps, machines): on and off every few minutes."""
        period = 300.0 / np.maximum(hunting, 0.5)
        off: NDArray[np.bool_] = (hunting > 0) & ((seconds[:, None] / period + self._motors.phase) % 1 > 0.5)
        return off

    def _stall(self, times: NDArray[np.int64], lengths: Array, running: NDArray[np.bool_]) -> Array:
        """Share of each step in which the rotor is held, (steps, machines); then it trips, and ``running`` is off."""
        share = np.zeros(running.shape)
        for machine, fault in self._faults:
            if "held" not in EFFECTS[fault.failure_mode].change:
                continue
            since = (times - to_microseconds(fault.onset)) / MICROSECONDS
            trip_s = self._motors.trip_s[machine]
            inside = np.minimum(since, trip_s) - np.maximum(since - lengths, 0.0)
            share[:, machine] = np.clip(inside, 0, None) / lengths
            running[since >= trip_s, machine] = False
        return share

    def _walk(self, noise: Array, lengths: Array) -> dict[str, Array]:
        """Slowly wandering quantities of unit variance (Ornstein-Uhlenbeck), exact for any step."""
        path = np.empty_like(noise)
        for step, length in enumerate(lengths):
            keep = np.array([math.exp(-length / _WALK_TAU[name]) for name in _WALKS])[:, None]
            self._walks = keep * self._walks + np.sqrt(1 - keep**2) * noise[step]
            path[step] = self._walks
        return {name: path[:, index] for index, name in enumerate(_WALKS)}

    def _supply(self, seconds: Array, walk: Array) -> Array:
        """Deviation of the line voltage: a daily swing, wandering, and now and then a dip of a whole line."""
        lines = self._motors.line
        day = 0.008 * np.sin(2 * math.pi * (seconds[:, None] / 86_400 + 0.3 + 0.05 * lines))
        # Every line has a dip of three minutes some time in every 19 hours.
        period, length = 19 * 3600, 180
        begin = (lines * 4271 + self.plan.seed * 977) % period
        dipping = ((seconds[:, None] - begin) % period) < length
        wander: Array = 0.002 * walk
        return day + wander - 0.04 * dipping

    def _ambient(self, seconds: Array) -> Array:
        """Hall temperature: warmest in mid-afternoon, with slow weather over days."""
        time = seconds[:, None]
        day = 5.5 * np.sin(2 * math.pi * (time / 86_400 - 0.083))
        weather = 3.0 * np.sin(2 * math.pi * time / (86_400 * 5.3) + self.plan.seed)
        ambient: Array = 24 + day + weather + self._motors.ambient_offset
        return ambient

    def _break_sensors(
        self, times: NDArray[np.int64], measured: dict[str, Array], noise: Array
    ) -> dict[str, NDArray[np.int16]]:
        qualities: dict[str, NDArray[np.int16]] = {}
        for machine, fault in self._faults:
            kind = EFFECTS[fault.failure_mode].sensor
            onset = to_microseconds(fault.onset)
            broken = times >= onset
            if kind is None or not fault.signal or not broken.any():
                continue
            column = measured[fault.signal][:, machine]
            if kind == "stuck":
                name = f"{fault.machine}/{fault.signal}"
                self._frozen.setdefault(name, float(column[broken][0]))
                column[broken] = self._frozen[name]
            elif kind == "drift":
                drift = 22.0 * fault.strength * self._grown(times, fault)
                column[:] = round_to(column + drift, self._sensors.resolution[fault.signal])
            elif kind == "ratio":
                # A current transformer with a shorted turn: it reads low by the same share always.
                column[broken] = np.round(column[broken] * (1 - 0.25 * fault.strength), 2)
            elif kind == "swapped":
                swap_phases(measured, broken, machine)
            elif kind == "spikes":
                spiking = broken & (noise[:, 0, machine] > 1.6)
                column[spiking] += 60.0
            elif kind == "dropout":
                quality = qualities.setdefault(fault.signal, np.zeros(measured[fault.signal].shape, np.int16))
                quality[broken & (noise[:, 1, machine] > -0.5), machine] = Quality.BAD
        return qualities


def _words(value: Any) -> Any:
    """Large integers as strings: the state of a random generator has 128 bits, JSON numbers have 64."""
    if isinstance(value, dict):
        return {key: _words(entry) for key, entry in value.items()}
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int:{value}"
    return value


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    if isinstance(value, str) and value.startswith("int:"):
        return int(value[4:])
    return value
