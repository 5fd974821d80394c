"""Compares open findings of the supply with the other machines of the bus, and notes where each arises.

The thin part of :mod:`analytics.supply`. Findings of one disturbance point at the oldest of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.supply import PHASES, Comparisons, Origin, Peers, count_peers, leads, shows, supply_indicators
from analytics.window import Window
from historian import Connection, FindingPlace, Machine, place_findings
from plant import MICROSECONDS, fault_library

# Peers may send some seconds later: a finding is compared when it has stood for so long.
_STOOD_US = 10 * MICROSECONDS
_EVERY_US = 60 * MICROSECONDS
# Shorter than what a machine's own judgement looks at: what it has found, its peers show already.
_SECONDS = 20


class SupplyWatch:
    """Follows the machines of one template."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._faults = {key: fault for key, fault in fault_library().items() if fault.kind == "supply"}
        numbers: dict[tuple[int, str, str], int] = {}
        self._bus = np.array(
            [
                numbers.setdefault((one.tenant_id, one.site, _bus(one)), len(numbers)) if _bus(one) else -1
                for one in machines
            ],
            np.int64,
        )
        self._rated = {
            key: np.array([float(one.nameplate.get(key, np.nan)) for one in machines])
            for key in ("rated_current", "rated_voltage")
        }
        self._seen_at: dict[int, int] = {}
        self._comparisons = Comparisons()
        self._placed: dict[int, FindingPlace] = {}
        self._compared: set[int] = set()
        self._compared_at = 0

    async def follow(
        self,
        connection: Connection,
        window: Window,
        columns: Sequence[int],
        rows: Sequence[int],
        doubted: Mapping[int, Sequence[str]],
        found: Mapping[int, tuple[int, str]],
        now: int,
    ) -> None:
        """Compare what is open, once a minute, and soon after something was opened.

        columns: where :data:`PHASES` lie in the window; rows: where the machines lie in it; doubted: machine id ->
        signals not believed; found: finding id -> (place in the machines, failure mode)
        """
        mine = {finding: at for finding, at in found.items() if at[1] in self._faults}
        self._seen_at = {finding: self._seen_at.get(finding, now) for finding in mine}
        self._placed = {finding: place for finding, place in self._placed.items() if finding in mine}
        self._comparisons.keep(mine)
        ready = {finding: at for finding, at in mine.items() if now - self._seen_at[finding] >= _STOOD_US}
        if not ready or (now - self._compared_at < _EVERY_US and ready.keys() <= self._compared):
            return
        self._compared_at, self._compared = now, set(ready)
        places = self._places(self._newest(window, columns, rows, doubted), ready)
        changed = [place for place in places if self._placed.get(place.id) != place]
        await place_findings(connection, changed)
        self._placed |= {place.id: place for place in changed}

    def _newest(
        self, window: Window, columns: Sequence[int], rows: Sequence[int], doubted: Mapping[int, Sequence[str]]
    ) -> dict[str, NDArray[np.float64]]:
        """Medians of each machine's newest seconds, (machines,); NaN where a signal is doubted or missing."""
        chosen = window.values[np.ix_(rows, columns)]
        last = (window.newest_us()[np.asarray(rows)] - window.start_us) // window.step_us
        steps = np.maximum(last[:, None] - np.arange(_SECONDS), 0)
        values = {}
        for number, key in enumerate(PHASES):
            recent = np.take_along_axis(chosen[:, number], steps, axis=1).astype(np.float64)
            some = np.isfinite(recent).any(axis=1)
            values[key] = np.full(len(rows), np.nan)
            values[key][some] = np.nanmedian(recent[some], axis=1)
        for row, machine in enumerate(self._machines):
            for key in set(doubted.get(machine.id, ())) & values.keys():
                values[key][row] = np.nan
        return values

    def _places(
        self, signals: Mapping[str, NDArray[np.float64]], found: Mapping[int, tuple[int, str]]
    ) -> list[FindingPlace]:
        indicators = supply_indicators(signals, self._rated["rated_current"], self._rated["rated_voltage"])
        shown = {}
        for mode in {mode for _, mode in found.values()}:
            symptom = self._faults[mode].symptoms[0]
            shown[mode] = shows(symptom, indicators[symptom.indicator])
        counted = {mode: count_peers(values, self._bus) for mode, values in shown.items()}
        peers: dict[int, Peers] = {}
        for finding, (row, mode) in found.items():
            known, showing = (int(counts[row]) for counts in counted[mode])
            now = Peers(_bus(self._machines[row]), known, showing)
            held = self._comparisons.follow(finding, showing=shown[mode][row] == 1, peers=now)
            if held is not None:
                peers[finding] = held
        shared = [
            (finding, (int(self._bus[row]), mode))
            for finding, (row, mode) in found.items()
            if finding in peers and peers[finding].origin is Origin.BUS
        ]
        lead = leads(shared)
        return [
            FindingPlace(
                finding,
                one.origin.value,
                one.bus or None,
                lead[finding] if lead.get(finding, finding) != finding else None,
                [one.evidence()],
            )
            for finding, one in peers.items()
        ]


def _bus(machine: Machine) -> str:
    return str(machine.nameplate.get("bus", "")).strip()
