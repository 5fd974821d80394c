"""A machine's quantities sample by sample on the grid of its template, and when it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array, indicators
from analytics.states import classify_states, runs_settled
from analytics.window import SignalIndex, pivot_readings
from historian import Connection, Machine, read_readings
from plant import MICROSECONDS, Template, to_datetime

# A start is over when the machine has run for so long.
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one machine.

    values: float64 (steps, keys); running: bool (steps,), it runs and is past its start, or nothing tells
    bad, seen: int64 (keys,), how many readings were bad, and how many there were
    """

    keys: tuple[str, ...]
    values: Array
    running: NDArray[np.bool_]
    bad: NDArray[np.int64]
    seen: NDArray[np.int64]

    def of(self, keys: Sequence[str]) -> "Samples":
        """Some of the quantities."""
        places = [self.keys.index(key) for key in keys]
        return Samples(tuple(keys), self.values[:, places], self.running, self.bad[places], self.seen[places])

    def while_running(self) -> Array:
        """The values, NaN where the machine does not run: other modes of operation are no departure."""
        masked: Array = np.where(self.running[:, None], self.values, np.nan)
        return masked


class Sampler:
    """Reads samples of machines of one template."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self.step_us = round(template.behaviour.sampling_s * MICROSECONDS)
        self._start_steps = max(1, round(_START_S / template.behaviour.sampling_s))

    async def read(self, connection: Connection, machine: Machine, start_us: int, steps: int) -> Samples:
        """The measured quantities that a machine has, of ``steps`` samples from a time [us] on."""
        index = SignalIndex.of([machine])
        keys = tuple(
            signal.key
            for signal in self._template.signals
            if signal.kind == "number" and signal.key in machine.signal_ids
        )
        before = self._start_steps * self.step_us
        end = to_datetime(start_us + steps * self.step_us)
        batch = await read_readings(connection, list(machine.signal_ids.values()), to_datetime(start_us - before), end)
        window = pivot_readings(batch, index, start_us, self.step_us, steps)
        longer = pivot_readings(batch, index, start_us - before, self.step_us, self._start_steps + steps)
        found = indicators(self._template.key, machine.nameplate, longer.of_machine(index, 0))
        running = runs_settled(classify_states(self._template, machine.nameplate, found), self._start_steps)
        columns = [index.keys.index(key) for key in keys]
        return Samples(
            keys,
            window.values[0, columns].T.astype(np.float64),
            running[self._start_steps :],
            window.bad[0, columns],
            window.seen[0, columns],
        )
