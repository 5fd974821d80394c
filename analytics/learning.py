"""Learns what is normal for machines whose template says what to expect, and keeps the models, by version."""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from analytics.behaviour import BehaviourModel, learn_machine
from analytics.learning_schedule import LearningSchedule
from analytics.window import SignalIndex, pivot_rollup
from historian import (
    Connection,
    Machine,
    constant_minutes,
    load_models,
    minutes_span,
    read_rollup,
    store_model,
)
from plant import MICROSECONDS, Template

log = structlog.get_logger()

_MINUTE_US = 60 * MICROSECONDS
_LEARN_EVERY_US = 60 * MICROSECONDS
_LOOK_AGAIN_US = 1800 * MICROSECONDS


class BehaviourLearner:
    """Learns and keeps the models of some machines of one template.

    models: machine id -> (version, model)
    """

    def __init__(self, template: Template, machines: Sequence[Machine]) -> None:
        self._template = template
        self.models: dict[int, tuple[int, BehaviourModel]] = {}
        self._learnt_from: dict[int, datetime] = {}
        self._machines = {machine.id for machine in machines}
        self._schedule = LearningSchedule(machines)

    async def begin(self, connection: Connection) -> None:
        """Take up the models that an earlier run has learnt."""
        for stored in (await load_models(connection)).values():
            if stored.machine_id in self._machines:
                self.models[stored.machine_id] = (stored.version, BehaviourModel.from_bytes(stored.content))
                self._learnt_from[stored.machine_id] = stored.baseline_start

    async def learn_missing(self, connection: Connection, now: int) -> None:
        """Learn what is normal for machines that have seen enough, and anew once the baseline is whole.

        now: wall time [us]
        """
        await self._schedule.run(
            connection, now, self._learnt_from.get, lambda machine: self._learn_one(connection, machine)
        )

    async def _learn_one(self, connection: Connection, machine: Machine) -> int | None:
        """In which time to look at a machine again [us]; None once its baseline is whole."""
        behaviour = self._template.behaviour
        width = timedelta(seconds=behaviour.sampling_s)
        known, changed = self.models.get(machine.id), self._schedule.changed(machine.id)
        if self._schedule.is_outdated(machine.id, self._learnt_from.get(machine.id)):
            known = None  # it goes on judging until the machine has been seen for long enough
        if known is not None and known[1].samples >= behaviour.baseline_samples:
            return None
        span = await minutes_span(connection, list(machine.signal_ids.values()))
        if span is None:
            return _LEARN_EVERY_US
        start, last = span
        if changed is not None and changed > start:
            start += math.ceil((changed - start) / width) * width
        samples = min(int((last - start) / width) + 1, behaviour.baseline_samples)
        wanted = behaviour.minimum_samples if known is None else behaviour.baseline_samples
        if samples < wanted:
            # Half of what is missing: it may come from a back-fill, all at once.
            missing_us = (wanted - samples) * behaviour.sampling_s * MICROSECONDS // 2
            return min(max(_LEARN_EVERY_US, int(missing_us)), _LOOK_AGAIN_US)
        end = start + samples * width
        rollup = await read_rollup(connection, list(machine.signal_ids.values()), start, end, "1min")
        index = SignalIndex.of([machine])
        values = pivot_rollup(rollup, index, _us(start), _MINUTE_US, samples)[0]
        signals = {key: values[column] for column, key in enumerate(index.keys)}
        model = await asyncio.to_thread(learn_machine, self._template, machine.nameplate, signals)
        if model is None:
            return _LEARN_EVERY_US
        constant = await constant_minutes(connection, list(machine.signal_ids.values()), start, end)
        model = model.with_constants({key: constant[id_] for key, id_ in machine.signal_ids.items() if id_ in constant})
        version = await store_model(connection, machine.id, machine.tenant_id, start, end, model.to_bytes())
        self.models[machine.id] = (version, model)
        self._learnt_from[machine.id] = start
        log.info("model_learned", machine=machine.code, version=version, samples=samples)
        return None if samples >= behaviour.baseline_samples else _LEARN_EVERY_US


def _us(moment: datetime) -> int:
    return round(moment.timestamp()) * MICROSECONDS
