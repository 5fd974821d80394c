"""Report by exception: a reading that says nothing new is not passed on.

What is new is set per signal in its template: a change of more than ``deadband``, another quality, or silence for
``report_every_s``. State changes (boolean signals) always pass.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plant import MICROSECONDS, Batch, Rejected, SignalDirectory, Sink, Template, template_library

_NEVER = np.iinfo(np.int64).min // 2


class ReportByException:
    """A sink that hands on what is new.

    Readings left out count as safe: what they say is what was said before. The newest reading passed on is
    remembered once the sink has it, so that one that was refused is offered again.
    """

    def __init__(
        self,
        sink: Sink,
        directory: Callable[[], SignalDirectory],
        templates: Mapping[str, Template] | None = None,
    ) -> None:
        """templates: by key; those that ship with the product where none are given"""
        self._templates = template_library() if templates is None else templates
        self._sink = sink
        self._directory = directory
        self._known: SignalDirectory | None = None
        # By signal id.
        self._deadbands = np.zeros(0)
        self._every_us = np.zeros(0, np.int64)
        self._times = np.zeros(0, np.int64)
        self._values = np.zeros(0)
        self._qualities = np.zeros(0, np.int16)

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """See :meth:`plant.Sink.put`."""
        self._follow_directory()
        if not self._deadbands.any():
            await self._sink.put(batch, rejected)
            return
        new = self._new(batch)
        passed = batch if new.all() else batch.select(new)
        if len(passed) or rejected:
            await self._sink.put(passed, rejected)
        self._remember(passed)

    def _follow_directory(self) -> None:
        directory = self._directory()
        if directory is self._known:
            return
        self._known = directory
        length = max((signal for entry in directory for signal in entry.signal_ids.values()), default=-1) + 1
        self._deadbands = np.zeros(length)
        self._every_us = np.zeros(length, np.int64)
        for entry in directory:
            for kind in self._templates[entry.template].signals if entry.template in self._templates else ():
                if kind.deadband and kind.key in entry.signal_ids:
                    signal = entry.signal_ids[kind.key]
                    self._deadbands[signal] = kind.deadband
                    self._every_us[signal] = int(kind.report_every_s * MICROSECONDS)
        missing = length - len(self._times)
        if missing > 0:
            self._times = np.concatenate((self._times, np.full(missing, _NEVER)))
            self._values = np.concatenate((self._values, np.full(missing, np.nan)))
            self._qualities = np.concatenate((self._qualities, np.zeros(missing, np.int16)))

    def _new(self, batch: Batch) -> NDArray[np.bool_]:
        """Which rows say something new; what is older than the newest reading passed on always does."""
        new = np.ones(len(batch), np.bool_)
        known = batch.signal_ids < len(self._deadbands)
        judged = np.flatnonzero(known)
        judged = judged[self._deadbands[batch.signal_ids[judged]] > 0]
        order = judged[np.lexsort((batch.times[judged], batch.signal_ids[judged]))]
        signals = batch.signal_ids[order]
        # The nth reading of each signal at once: it is compared with what the ones before it left behind.
        begins = np.flatnonzero(np.diff(signals, prepend=-1))
        lengths = np.diff(np.append(begins, len(signals)))
        times, values, qualities = self._times.copy(), self._values.copy(), self._qualities.copy()
        for nth in range(int(lengths.max(initial=0))):
            rows = order[begins[lengths > nth] + nth]
            signal = batch.signal_ids[rows]
            age = batch.times[rows] - times[signal]
            # Written so that NaN, which is like nothing, counts as a change.
            same = (np.abs(batch.values[rows] - values[signal]) <= self._deadbands[signal]) & (
                batch.qualities[rows] == qualities[signal]
            )
            new[rows] = ~(same & (age >= 0) & (age < self._every_us[signal]))
            ahead = rows[new[rows] & (age >= 0)]
            newest = batch.signal_ids[ahead]
            times[newest], values[newest] = batch.times[ahead], batch.values[ahead]
            qualities[newest] = batch.qualities[ahead]
        return new

    def _remember(self, passed: Batch) -> None:
        known = passed.signal_ids < len(self._times)
        rows = np.flatnonzero(known)
        rows = rows[passed.times[rows] >= self._times[passed.signal_ids[rows]]]
        # In order of time the last assignment to a repeated index wins, which is the newest reading.
        rows = rows[np.argsort(passed.times[rows], kind="stable")]
        signals = passed.signal_ids[rows]
        self._times[signals], self._values[signals] = passed.times[rows], passed.values[rows]
        self._qualities[signals] = passed.qualities[rows]
