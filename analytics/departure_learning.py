"""Learns what is normal for machines whose physics nobody has written down, longer each time, and keeps the models.

A recording that has ended is judged by its first minutes, there is no more of it. A machine that is on line is judged
once it has run for an hour: with less, its warming up would be a departure.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog

from analytics.departure import DepartureModel, learn_departure
from analytics.learning_schedule import LearningSchedule
from analytics.sampling import Sampler, Samples
from analytics.warmup import judged_signals
from historian import (
    Connection,
    Machine,
    finding_spans,
    first_reading,
    load_models,
    newest_reading,
    store_model,
)
from plant import MICROSECONDS, Template, to_datetime, to_microseconds

log = structlog.get_logger()

# Late readings of a sample may come for so long.
_SETTLE_US = 2 * MICROSECONDS
_LEAST_LIVE_S = 3600.0
# What is older than this when it is looked at was recorded.
_RECORDED_US = 3600 * MICROSECONDS
# So many times the wanted length is looked through for times in which the machine ran.
_LOOK_THROUGH = 8
_WHOLE_SHARE = 0.5
_NO_DATA_US = 30 * MICROSECONDS
_SOON_US = 5 * MICROSECONDS
_LATE_US = 1800 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, and the time in which it was learnt."""

    version: int
    model: DepartureModel
    start: datetime
    end: datetime


class DepartureLearner:
    """Learns and keeps the models of some machines of one template, by machine id in ``models``."""

    def __init__(self, template: Template, machines: Sequence[Machine], failure_mode: str) -> None:
        """failure_mode: whose findings name times that are not normal"""
        self._template = template
        self._machines = {machine.id for machine in machines}
        self._mode = failure_mode
        self._sampler = Sampler(template)
        self._schedule = LearningSchedule(machines)
        self.models: dict[int, Learnt] = {}
        # Where to look on for a machine that hardly ran.
        self._look_from: dict[int, datetime] = {}

    async def begin(self, connection: Connection) -> None:
        """Take up the models that an earlier run has learnt; those of an older form are learnt anew."""
        for stored in (await load_models(connection)).values():
            model = DepartureModel.from_bytes(stored.content) if stored.machine_id in self._machines else None
            if model is not None:
                self.models[stored.machine_id] = Learnt(
                    stored.version, model, stored.baseline_start, stored.baseline_end
                )

    async def learn_due(self, connection: Connection, now: int, departed: Collection[int]) -> dict[int, DepartureModel]:
        """What was learnt of machines that have seen enough, by id.

        now: wall time [us]; departed: machines with an open finding, which learn nothing longer until it is answered
        """
        learnt: dict[int, DepartureModel] = {}

        async def learn(machine: Machine) -> int | None:
            before = self.models.get(machine.id)
            again_us = await self._learn_one(connection, machine, now, departed)
            after = self.models.get(machine.id)
            if after is not None and after is not before:
                learnt[machine.id] = after.model
            return again_us

        await self._schedule.run(connection, now, self._learnt_from, learn)
        return learnt

    async def _learn_one(
        self, connection: Connection, machine: Machine, now: int, departed: Collection[int]
    ) -> int | None:
        """In which time to look at a machine again [us]; None once its baseline is whole."""
        known = self.models.get(machine.id)
        if self._schedule.is_outdated(machine.id, self._learnt_from(machine.id)):
            known = None  # it goes on judging until the machine has run for long enough
        if known is not None and self._lengths(known, live=True) == []:
            return None
        if known is not None and machine.id in departed:
            return _LATE_US
        start = await self._start(connection, machine, known)
        newest = await newest_reading(connection, machine.id)
        if start is None or newest is None:
            return _NO_DATA_US
        live = now - to_microseconds(newest) < _RECORDED_US
        lengths = self._lengths(known, live=live)
        if not lengths:
            return None
        wanted = lengths[0]
        steps = (to_microseconds(newest) - _SETTLE_US - to_microseconds(start)) // self._sampler.step_us
        if steps < wanted:
            return self._later(wanted - steps, urgent=known is None and not live)
        steps = min(steps, _LOOK_THROUGH * wanted)
        samples = await self._sampler.read(connection, machine, to_microseconds(start), steps)
        at = np.flatnonzero(samples.running & await self._usual(connection, machine, start, steps))[:wanted]
        if len(at) < wanted:
            if steps == _LOOK_THROUGH * wanted:
                self._look_from[machine.id] = to_datetime(to_microseconds(start) + steps * self._sampler.step_us)
            return self._later(wanted - len(at), urgent=known is None and not live)
        end = to_datetime(to_microseconds(start) + (int(at[-1]) + 1) * self._sampler.step_us)
        model = await asyncio.to_thread(self._fit, samples, at)
        if model is None:
            # Too many holes to learn from: wait for a person to name a better baseline.
            return _LATE_US
        version = await store_model(connection, machine.id, machine.tenant_id, start, end, model.to_bytes())
        self.models[machine.id] = Learnt(version, model, start, end)
        log.info("model_learned", machine=machine.code, version=version, samples=model.samples)
        return _SOON_US

    def _fit(self, samples: Samples, at: np.ndarray) -> DepartureModel | None:
        values = samples.values[at]
        chosen = judged_signals(self._template, samples.keys, values, self._template.behaviour.sampling_s)
        values = values[:, chosen]
        if not chosen or np.isfinite(values).all(axis=1).sum() < len(at) * _WHOLE_SHARE:
            return None
        return learn_departure(tuple(samples.keys[number] for number in chosen), values)

    def _lengths(self, known: Learnt | None, *, live: bool) -> list[int]:
        """How many samples are worth learning from, fewest first, given what is known."""
        behaviour = self._template.behaviour
        hour = round(_LEAST_LIVE_S / behaviour.sampling_s)
        lengths = {max(hour, behaviour.minimum_samples), behaviour.baseline_samples}
        if not live:
            lengths.add(behaviour.minimum_samples)
        had = 0 if known is None else known.model.samples
        return sorted(length for length in lengths if had < length * _WHOLE_SHARE)

    async def _start(self, connection: Connection, machine: Machine, known: Learnt | None) -> datetime | None:
        """From when on a machine is as it is now, as far as it has not been looked through."""
        if known is not None:
            return known.start
        start = self._schedule.changed(machine.id) or await first_reading(connection, list(machine.signal_ids.values()))
        looked = self._look_from.get(machine.id)
        return max(start, looked) if start is not None and looked is not None else start

    async def _usual(self, connection: Connection, machine: Machine, start: datetime, steps: int) -> np.ndarray:
        """Samples outside of findings that were opened since, bool (steps,).

        One that was open before is that of a machine which a person has called as it should be.
        """
        usual = np.ones(steps, bool)

        def place(moment: datetime) -> int:
            return max(0, (to_microseconds(moment) - to_microseconds(start)) // self._sampler.step_us)

        for begun, ended in await finding_spans(connection, machine.id, self._mode, start):
            usual[place(begun) : steps if ended is None else place(ended)] = False
        return usual

    def _later(self, missing: int, *, urgent: bool) -> int:
        # A recording comes faster than time. Otherwise half of what is missing: there may be a back-fill.
        return _SOON_US if urgent else min(max(_SOON_US, missing * self._sampler.step_us // 2), _LATE_US)

    def _learnt_from(self, machine_id: int) -> datetime | None:
        known = self.models.get(machine_id)
        return known.start if known is not None else None
