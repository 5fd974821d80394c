"""Machines of one type set against each other by what they use: who takes more than its like, and how much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from historian import EnergyPeer

LEAST_HOURS = 24.0
LEAST_PEERS = 5


@dataclass(frozen=True, slots=True)
class EnergyRank:
    """A machine among its peers.

    load_factor: mean power over rated power; ratio: load factor over the median of the peers (None: too few)
    """

    machine: str
    site: str
    kwh: float
    hours: float
    load_factor: float
    ratio: float | None
    basis: tuple[str, ...]
    reason: str | None = None


def energy_benchmark(peers: Sequence[EnergyPeer]) -> list[EnergyRank]:
    """The machines with a day or more measured, greatest ratio first, then those with less, which say why.

    The rated power makes sizes comparable, the median keeps a bad machine from moving the measure.
    """
    measured = [peer for peer in peers if peer.hours >= LEAST_HOURS and peer.rated_kw > 0]
    factors = {peer.id: peer.kwh / peer.hours / peer.rated_kw for peer in measured}
    median = float(np.median(list(factors.values()))) if len(factors) >= LEAST_PEERS else 0.0
    ranks = []
    for peer in peers:
        factor = factors.get(peer.id)
        reason = None
        if factor is None:
            reason = f"not enough data: {peer.hours:.1f} hours measured"
        elif median <= 0:
            reason = f"not enough data: {len(factors)} machines to compare"
        ratio = factor / median if factor is not None and median > 0 else None
        ranks.append(
            EnergyRank(peer.machine, peer.site, peer.kwh, peer.hours, factor or 0.0, ratio, peer.basis, reason)
        )
    return sorted(ranks, key=lambda rank: -(rank.ratio or 0.0))
