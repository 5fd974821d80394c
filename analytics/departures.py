"""Judges machines whose physics nobody has written down: departure from their first minutes, sample by sample.

Works on source time, so a replayed recording is judged like live data.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog

from analytics.case import OPEN_AT, Case
from analytics.condition import health_and_risk
from analytics.departure import DepartureModel, learn_departure
from analytics.diagnosis import Verdict, diagnose
from analytics.findings import new_finding
from analytics.fleet import DepartureFleet, Followed
from analytics.indicators import Array
from analytics.scorer import DepartureState
from analytics.warmup import LEAST_S, judged_signals
from analytics.window import SignalIndex, Window, pivot_readings
from historian import (
    Condition,
    Connection,
    Machine,
    close_finding,
    first_reading,
    load_judged,
    load_models,
    newest_reading,
    open_finding,
    open_findings,
    read_readings,
    store_conditions,
    store_model,
)
from plant import MICROSECONDS, fault_library, template_library, to_datetime, to_microseconds

log = structlog.get_logger()

MODE = "unexplained_departure"
_SETTLE_US = 2 * MICROSECONDS
_MOST_SAMPLES = 20_000
_HELD = 5


class DepartureJudge:
    """Judges all machines of one template that has no expectations."""

    def __init__(self, template_key: str, machines: Sequence[Machine]) -> None:
        self._template = template_library()[template_key]
        self._machines = machines
        self._fault = fault_library()[MODE]
        kinds = [fault_library()[key] for key in self._template.failure_modes]
        self._sensor_faults = {fault.key: fault for fault in kinds if fault.kind == "sensor"}
        self._step_us = round(self._template.behaviour.sampling_s * MICROSECONDS)
        self._models: dict[int, tuple[int, DepartureModel, int]] = {}
        self._fleet = DepartureFleet()
        self._until: dict[int, int] = {}
        self._open: dict[int, int] = {}
        # Health, risk and time of the newest sample that was judged by all signals.
        self._whole: dict[int, tuple[float, float, int]] = {}
        self._held: dict[int, int] = {}
        self._sensor_cases: dict[int, Case] = {machine.id: Case() for machine in machines}

    async def begin(self, connection: Connection) -> None:
        """Take up what an earlier run has left."""
        mine = {machine.id for machine in self._machines}
        for stored in (await load_models(connection)).values():
            model = DepartureModel.from_bytes(stored.content) if stored.machine_id in mine else None
            if model is not None:
                self._models[stored.machine_id] = (stored.version, model, to_microseconds(stored.baseline_end))
        states: dict[int, DepartureState] = {}
        for machine_id, (judged_at, explanation, _) in (await load_judged(connection)).items():
            # Older versions carried other numbers: their machines begin anew at the end of the baseline.
            if machine_id in self._models and "smoothed" in explanation.get("departure", {}):
                states[machine_id] = DepartureState(**explanation["departure"])
                self._until[machine_id] = to_microseconds(judged_at)
                if "whole" in explanation:
                    health, risk, at = explanation["whole"]
                    self._whole[machine_id] = health, risk, at
        self._fleet.put({machine_id: model for machine_id, (_, model, _) in self._models.items()}, states)
        for finding in await open_findings(connection):
            if finding.machine_id in mine and finding.failure_mode == MODE:
                self._open[finding.machine_id] = finding.id
            elif finding.machine_id in mine and finding.failure_mode in self._sensor_faults:
                self._sensor_cases[finding.machine_id].opened(finding.failure_mode, finding.id)

    async def learn_missing(self, connection: Connection, now: int) -> None:  # noqa: ARG002 - as the other judge
        """Learn from a machine's first samples, once they are all there."""
        behaviour = self._template.behaviour
        learnt: dict[int, DepartureModel] = {}
        for machine in self._machines:
            if machine.id in self._models:
                continue
            ids = list(machine.signal_ids.values())
            start, newest = await first_reading(connection, ids), await newest_reading(connection, machine.id)
            if start is None or newest is None:
                continue
            end = start + timedelta(microseconds=behaviour.baseline_samples * self._step_us)
            if newest < end + timedelta(microseconds=_SETTLE_US):
                continue
            keys = self._numbers(machine)
            window = await self._window(connection, machine, to_microseconds(start), behaviour.baseline_samples)
            values = self._values(window, machine, keys)
            chosen = judged_signals(self._template, keys, values, behaviour.sampling_s)
            keys, values = tuple(keys[number] for number in chosen), values[:, chosen]
            if not keys or np.isfinite(values).all(axis=1).sum() < behaviour.minimum_samples * 0.5:
                # Too many holes to learn from: wait for a person to name a better baseline.
                continue
            model = learn_departure(keys, values)
            if model is None:
                continue
            version = await store_model(connection, machine.id, machine.tenant_id, start, end, model.to_bytes())
            self._models[machine.id] = (version, model, to_microseconds(end))
            learnt[machine.id] = model
            self._whole.pop(machine.id, None)
            log.info("model_learned", machine=machine.code, version=version, samples=behaviour.baseline_samples)
        if learnt:
            self._fleet.put(learnt, {})

    async def tick(self, connection: Connection, now: int) -> None:  # noqa: ARG002 - source time decides
        """Judge every sample that has come since the last tick, in order."""
        samples: dict[int, Array] = {}
        for machine in self._machines:
            if machine.id not in self._models:
                continue
            newest = await newest_reading(connection, machine.id)
            _, model, baseline_end = self._models[machine.id]
            since = self._until.setdefault(machine.id, baseline_end - self._step_us) + self._step_us
            if newest is None:
                continue
            steps = min((to_microseconds(newest) - _SETTLE_US - since) // self._step_us + 1, _MOST_SAMPLES)
            if steps > 0:
                window = await self._window(connection, machine, since, int(steps))
                samples[machine.id] = self._values(window, machine, model.signals)
                columns = _columns(machine, model.signals)
                self._fleet.count(machine.id, window.bad[0, columns], window.seen[0, columns], int(steps))
        followed = self._fleet.follow(samples)
        for machine in self._machines:
            if machine.id in followed:
                await self._judge(connection, machine, samples[machine.id], followed[machine.id])

    async def _judge(self, connection: Connection, machine: Machine, values: Array, followed: Followed) -> None:
        version, model, _ = self._models[machine.id]
        since = self._until[machine.id] + self._step_us
        for step in np.flatnonzero(np.isfinite(values).any(axis=1)).tolist():
            time = since + step * self._step_us
            # What nobody sees any more has not gone: a departure does not end while a signal is missing.
            departed = bool(followed.departed[step]) or (bool(followed.blind[step]) and machine.id in self._open)
            await self._follow_sample(connection, machine, values[step], followed.smoothed[step], time, departed)
        self._until[machine.id] = since + (len(values) - 1) * self._step_us
        state = self._fleet.state(machine.id)
        score = float(followed.scores[-1])
        # While a machine settles after a departure, what is left of it is no new one.
        verdicts = diagnose([self._fault], {"departure": score if state.departed else score / state.bar})
        found, suspects = self._fleet.sensors(machine.id)
        sensors = diagnose(self._sensor_faults.values(), found)
        await self._follow_sensors(connection, machine, sensors, suspects, self._until[machine.id])
        health, risk = health_and_risk(verdicts, sensors, {MODE: self._fault} | self._sensor_faults)
        health, risk, held = self._no_better(machine.id, health, risk, blind=bool(followed.blind[-1]))
        kept: dict[str, Any] = {
            "departure": state.as_json(),
            "indicators": {"departure": round(score, 4)} | {key: round(value, 4) for key, value in found.items()},
            "suspects": suspects,
            "whole": self._whole.get(machine.id, (health, risk, self._until[machine.id])),
            "baseline": {
                "samples": model.samples,
                "seconds": model.samples * self._template.behaviour.sampling_s,
                "warmed_up": self._warmed_up(model),
            },
        }
        at = to_datetime(self._until[machine.id])
        condition = Condition(machine.id, machine.tenant_id, at, health, risk, version, kept, held)
        await store_conditions(connection, [condition])

    def _no_better(
        self, machine: int, health: float, risk: float, *, blind: bool
    ) -> tuple[float, float, datetime | None]:
        """Health and risk, no better than when all signals were last seen; and since when they are held."""
        if not blind:
            self._whole[machine] = health, risk, self._until[machine]
            return health, risk, None
        if machine not in self._whole:
            return health, risk, None
        seen_health, seen_risk, at = self._whole[machine]
        return min(health, seen_health), max(risk, seen_risk), to_datetime(at)

    async def _follow_sample(
        self,
        connection: Connection,
        machine: Machine,
        sample: Array,
        smoothed: Array,
        time: int,
        departed: bool,
    ) -> None:
        """Open a finding when a departure has held for some samples, close it when it is over."""
        held = self._held[machine.id] = self._held.get(machine.id, 0) + 1 if departed else 0
        if held == _HELD and machine.id not in self._open:
            version, model, _ = self._models[machine.id]
            verdicts = diagnose([self._fault], {"departure": 1.0})
            assert verdicts[0].probability >= OPEN_AT
            finding = new_finding(
                machine,
                self._fault,
                verdicts[0],
                verdicts,
                time,
                version,
                (),
                to_datetime(time - (_HELD - 1) * self._step_us),
            )
            finding.evidence.extend(self._contributions(model, sample, model.contributions(smoothed)))
            finding.evidence.extend(self._doubt(model))
            self._open[machine.id] = await open_finding(connection, finding)
        elif not departed and machine.id in self._open:
            await close_finding(connection, self._open.pop(machine.id), to_datetime(time))

    def _contributions(self, model: DepartureModel, sample: Array, parts: Array) -> list[dict[str, Any]]:
        """Which signals make the score, greatest first, with their values where they are known."""
        rows = []
        for number in np.argsort(parts)[::-1][:4].tolist():
            signal = self._template.signal(model.signals[number])
            rows.append(
                {
                    "indicator": signal.key,
                    "value": round(float(sample[number]), 4) if np.isfinite(sample[number]) else None,
                    "limit": round(float(model.mean[number]), 4),
                    "unit": signal.unit,
                    "direction": "for",
                    "weight": round(float(parts[number]), 2),
                    "text_en": f"{signal.name_en} departs from its usual {model.mean[number]:.3g}",
                    "text_zh": f"{signal.name_zh}偏离常态值{model.mean[number]:.3g}",
                }
            )
        return rows

    def _warmed_up(self, model: DepartureModel) -> bool:
        """Whether the baseline saw a slow signal settle."""
        return any(self._template.signal(key).response == "slow" for key in model.signals)

    def _doubt(self, model: DepartureModel) -> list[dict[str, Any]]:
        """What speaks against any departure from a short baseline: perhaps the machine was only warming up."""
        if self._warmed_up(model):
            return []
        seconds = model.samples * self._template.behaviour.sampling_s
        return [
            {
                "indicator": "baseline",
                "value": seconds,
                "limit": LEAST_S,
                "unit": "s",
                "direction": "against",
                "weight": 0.0,
                "text_en": f"Learnt on {seconds:.0f} s in which no slow signal settled: it may have been warming up",
                "text_zh": f"仅以{seconds:.0f}秒学习，其间慢变信号尚未稳定：设备可能仍在升温",
            }
        ]

    def _numbers(self, machine: Machine) -> tuple[str, ...]:
        """The measured quantities that this machine has."""
        return tuple(
            signal.key
            for signal in self._template.signals
            if signal.kind == "number" and signal.key in machine.signal_ids
        )

    async def _window(self, connection: Connection, machine: Machine, start_us: int, steps: int) -> Window:
        """All signals of a machine on the grid."""
        ids = [machine.signal_ids[key] for key in self._numbers(machine)]
        end = to_datetime(start_us + steps * self._step_us)
        batch = await read_readings(connection, ids, to_datetime(start_us), end)
        return pivot_readings(batch, SignalIndex.of([machine]), start_us, self._step_us, steps)

    def _values(self, window: Window, machine: Machine, keys: Sequence[str]) -> Array:
        """Some signals of it, float64 (steps, keys)."""
        values: Array = window.values[0, _columns(machine, keys)].T.astype(np.float64)
        return values

    async def _follow_sensors(
        self, connection: Connection, machine: Machine, sensors: list[Verdict], suspects: list[str], time: int
    ) -> None:
        """Open and close the findings of sensors: a bad one is a finding of its own, never an illness."""
        case = self._sensor_cases[machine.id]
        known = {verdict.failure_mode: verdict for verdict in sensors}
        probabilities = {mode: verdict.probability for mode, verdict in known.items()}
        tops = {verdict.failure_mode: verdict.probability for verdict in sensors[:1]}
        opening, closing = case.follow(time, tops, probabilities)
        version, _, _ = self._models[machine.id]
        for mode in opening:
            finding = new_finding(machine, self._sensor_faults[mode], known[mode], sensors, time, version, suspects)
            case.opened(mode, await open_finding(connection, finding))
        for mode in closing:
            await close_finding(connection, case.open[mode], to_datetime(time))
            case.closed(mode)


def _columns(machine: Machine, keys: Sequence[str]) -> list[int]:
    """Where signals lie in a window of this machine alone: its keys are sorted there."""
    places = {key: number for number, key in enumerate(sorted(machine.signal_ids))}
    return [places[key] for key in keys]
