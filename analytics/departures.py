"""Judges machines whose physics nobody has written down: departure from what they learnt, sample by sample.

Works on source time, so a replayed recording is judged like live data.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog

from analytics.case import OPEN_AT, Case
from analytics.condition import health_and_risk
from analytics.departure import DepartureModel
from analytics.departure_learning import DepartureLearner
from analytics.diagnosis import Verdict, diagnose
from analytics.findings import new_finding
from analytics.fleet import DepartureFleet, Followed
from analytics.indicators import Array
from analytics.sampling import Sampler
from analytics.scorer import DepartureState
from analytics.warmup import LEAST_S
from historian import (
    Condition,
    Connection,
    Machine,
    close_finding,
    load_judged,
    newest_reading,
    open_finding,
    open_findings,
    store_conditions,
)
from plant import MICROSECONDS, fault_library, template_library, to_datetime, to_microseconds

log = structlog.get_logger()

MODE = "unexplained_departure"
_SETTLE_US = 2 * MICROSECONDS
_MOST_SAMPLES = 20_000
_HELD = 5


class DepartureJudge:
    """Judges all machines of one template that has no expectations, while they run."""

    def __init__(self, template_key: str, machines: Sequence[Machine]) -> None:
        self._template = template_library()[template_key]
        self._machines = machines
        self._fault = fault_library()[MODE]
        kinds = [fault_library()[key] for key in self._template.failure_modes]
        self._sensor_faults = {fault.key: fault for fault in kinds if fault.kind == "sensor"}
        self._sampler = Sampler(self._template)
        self._learner = DepartureLearner(self._template, machines, MODE)
        self._fleet = DepartureFleet()
        self._until: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self._sensor_cases: dict[int, Case] = {machine.id: Case() for machine in machines}

    async def begin(self, connection: Connection) -> None:
        """Take up what an earlier run has left."""
        mine = {machine.id for machine in self._machines}
        await self._learner.begin(connection)
        states: dict[int, DepartureState] = {}
        for machine_id, (judged_at, explanation) in (await load_judged(connection)).items():
            # Older versions carried other numbers: their machines begin anew at the end of the baseline.
            if machine_id in self._learner.models and "smoothed" in explanation.get("departure", {}):
                states[machine_id] = DepartureState(**explanation["departure"])
                self._until[machine_id] = to_microseconds(judged_at)
        self._fleet.put({machine_id: known.model for machine_id, known in self._learner.models.items()}, states)
        for finding in await open_findings(connection):
            if finding.machine_id in mine and finding.failure_mode == MODE:
                self._open[finding.machine_id] = finding.id
            elif finding.machine_id in mine and finding.failure_mode in self._sensor_faults:
                self._sensor_cases[finding.machine_id].opened(finding.failure_mode, finding.id)

    async def learn_missing(self, connection: Connection, now: int) -> None:
        """Learn what is normal for machines that have seen enough, and anew from longer baselines."""
        learnt = await self._learner.learn_due(connection, now, self._open)
        if learnt:
            self._fleet.put(learnt, {})

    async def tick(self, connection: Connection, now: int) -> None:  # noqa: ARG002 - source time decides
        """Judge every sample that has come since the last tick, in order."""
        step_us = self._sampler.step_us
        samples: dict[int, Array] = {}
        for machine in self._machines:
            known = self._learner.models.get(machine.id)
            newest = await newest_reading(connection, machine.id) if known is not None else None
            if known is None or newest is None:
                continue
            since = self._until.setdefault(machine.id, to_microseconds(known.end) - step_us) + step_us
            steps = min((to_microseconds(newest) - _SETTLE_US - since) // step_us + 1, _MOST_SAMPLES)
            if steps > 0:
                read = (await self._sampler.read(connection, machine, since, int(steps))).of(known.model.signals)
                samples[machine.id] = read.while_running()
                self._fleet.count(machine.id, read.bad, read.seen, int(steps))
        followed = self._fleet.follow(samples)
        for machine in self._machines:
            if machine.id in followed:
                await self._judge(connection, machine, samples[machine.id], followed[machine.id])

    async def _judge(self, connection: Connection, machine: Machine, values: Array, followed: Followed) -> None:
        known = self._learner.models[machine.id]
        since = self._until[machine.id] + self._sampler.step_us
        for step in np.flatnonzero(np.isfinite(values).any(axis=1)).tolist():
            time = since + step * self._sampler.step_us
            departed = bool(followed.departed[step])
            await self._follow_sample(connection, machine, values[step], followed.smoothed[step], time, departed)
        self._until[machine.id] = since + (len(values) - 1) * self._sampler.step_us
        state = self._fleet.state(machine.id)
        score = float(followed.scores[-1])
        # While a machine settles after a departure, what is left of it is no new one.
        verdicts = diagnose([self._fault], {"departure": score if state.departed else score / state.bar})
        found, suspects = self._fleet.sensors(machine.id)
        sensors = diagnose(self._sensor_faults.values(), found)
        await self._follow_sensors(connection, machine, sensors, suspects, self._until[machine.id])
        health, risk = health_and_risk(verdicts, sensors, {MODE: self._fault} | self._sensor_faults)
        kept: dict[str, Any] = {
            "departure": state.as_json(),
            "indicators": {"departure": round(score, 4)} | {key: round(value, 4) for key, value in found.items()},
            "suspects": suspects,
            "baseline": {
                "samples": known.model.samples,
                "seconds": known.model.samples * self._template.behaviour.sampling_s,
                "warmed_up": self._warmed_up(known.model),
            },
        }
        at = to_datetime(self._until[machine.id])
        await store_conditions(
            connection, [Condition(machine.id, machine.tenant_id, at, health, risk, known.version, kept)]
        )

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
            known = self._learner.models[machine.id]
            verdicts = diagnose([self._fault], {"departure": 1.0})
            assert verdicts[0].probability >= OPEN_AT
            finding = new_finding(
                machine,
                self._fault,
                verdicts[0],
                verdicts,
                time,
                known.version,
                (),
                to_datetime(time - (_HELD - 1) * self._sampler.step_us),
            )
            finding.evidence.extend(self._contributions(known.model, sample, known.model.contributions(smoothed)))
            finding.evidence.extend(self._doubt(known.model))
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

    async def _follow_sensors(
        self, connection: Connection, machine: Machine, sensors: list[Verdict], suspects: list[str], time: int
    ) -> None:
        """Open and close the findings of sensors: a bad one is a finding of its own, never an illness."""
        case = self._sensor_cases[machine.id]
        known = {verdict.failure_mode: verdict for verdict in sensors}
        probabilities = {mode: verdict.probability for mode, verdict in known.items()}
        tops = {verdict.failure_mode: verdict.probability for verdict in sensors[:1]}
        opening, closing = case.follow(time, tops, probabilities)
        version = self._learner.models[machine.id].version
        for mode in opening:
            finding = new_finding(machine, self._sensor_faults[mode], known[mode], sensors, time, version, suspects)
            case.opened(mode, await open_finding(connection, finding))
        for mode in closing:
            await close_finding(connection, case.open[mode], to_datetime(time))
            case.closed(mode)
