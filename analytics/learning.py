"""Learns what is normal for machines whose template says what to expect, and keeps the models, by version."""

import asyncio
import heapq
import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from analytics.behaviour import BehaviourModel, learn_machine
from analytics.changes import Changes
from analytics.window import SignalIndex, pivot_rollup
from historian import (
    Connection,
    Machine,
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
# How long learning may hold up judging.
_LEARN_S = 2.0


class BehaviourLearner:
    """Learns and keeps the models of some machines of one template.

    models: machine id -> (version, model)
    """

    def __init__(self, template: Template, machines: Sequence[Machine]) -> None:
        self._template = template
        self._machines = machines
        self.models: dict[int, tuple[int, BehaviourModel]] = {}
        self._rows = {machine.id: row for row, machine in enumerate(machines)}
        self._learnt_from: dict[int, datetime] = {}
        self._changes = Changes()
        # When it is worth looking whether a machine has enough to learn from, soonest first.
        self._look_at = [(0, row) for row in range(len(machines))]

    async def begin(self, connection: Connection) -> None:
        """Take up the models that an earlier run has learnt."""
        mine = {machine.id for machine in self._machines}
        for stored in (await load_models(connection)).values():
            if stored.machine_id in mine:
                self.models[stored.machine_id] = (stored.version, BehaviourModel.from_bytes(stored.content))
                self._learnt_from[stored.machine_id] = stored.baseline_start

    async def learn_missing(self, connection: Connection, now: int) -> None:
        """Learn what is normal for machines that have seen enough, and anew once the baseline is whole.

        Machines are looked at when they are due, as many as fit into a moment: others want to be judged.
        """
        for machine_id in await self._changes.notice(connection, now):
            if machine_id in self.models and self._is_outdated(machine_id):
                heapq.heappush(self._look_at, (now, self._rows[machine_id]))
        began = time.monotonic()
        while self._look_at and self._look_at[0][0] <= now and time.monotonic() - began < _LEARN_S:
            _, row = heapq.heappop(self._look_at)
            again_at = await self._learn_one(connection, row, now)
            if again_at is not None:
                heapq.heappush(self._look_at, (again_at, row))

    async def _learn_one(self, connection: Connection, row: int, now: int) -> int | None:
        """When to look at a machine again [us]; None once its baseline is whole."""
        machine = self._machines[row]
        behaviour = self._template.behaviour
        width = timedelta(seconds=behaviour.sampling_s)
        known, changed = self.models.get(machine.id), self._changes.since(machine.id)
        if known is not None and self._is_outdated(machine.id):
            known = None  # it goes on judging until the machine has been seen for long enough
        if known is not None and known[1].samples >= behaviour.baseline_samples:
            return None
        span = await minutes_span(connection, list(machine.signal_ids.values()))
        if span is None:
            return now + _LEARN_EVERY_US
        start, last = span
        if changed is not None and changed > start:
            start += math.ceil((changed - start) / width) * width
        samples = min(int((last - start) / width) + 1, behaviour.baseline_samples)
        wanted = behaviour.minimum_samples if known is None else behaviour.baseline_samples
        if samples < wanted:
            # Half of what is missing: it may come from a back-fill, all at once.
            missing_us = (wanted - samples) * behaviour.sampling_s * MICROSECONDS // 2
            return now + min(max(_LEARN_EVERY_US, int(missing_us)), _LOOK_AGAIN_US)
        end = start + samples * width
        rollup = await read_rollup(connection, list(machine.signal_ids.values()), start, end, "1min")
        index = SignalIndex.of([machine])
        values = pivot_rollup(rollup, index, _us(start), _MINUTE_US, samples)[0]
        signals = {key: values[column] for column, key in enumerate(index.keys)}
        model = await asyncio.to_thread(learn_machine, self._template, machine.nameplate, signals)
        if model is None:
            return now + _LEARN_EVERY_US
        version = await store_model(connection, machine.id, machine.tenant_id, start, end, model.to_bytes())
        self.models[machine.id] = (version, model)
        self._learnt_from[machine.id] = start
        log.info("model_learned", machine=machine.code, row=row, version=version, samples=samples)
        return None if samples >= behaviour.baseline_samples else now + _LEARN_EVERY_US

    def _is_outdated(self, machine_id: int) -> bool:
        """Whether a machine with a model has changed since."""
        changed = self._changes.since(machine_id)
        return changed is not None and self._learnt_from[machine_id] < changed


def _us(moment: datetime) -> int:
    return round(moment.timestamp()) * MICROSECONDS
