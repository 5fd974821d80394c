"""The state of a machine at each moment, by its template's state rules."""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from plant import Nameplate, Template


class StateCode(IntEnum):
    """What a machine does, as far as its own signals tell; UNKNOWN where they do not."""

    UNKNOWN = 0
    RUNNING = 1
    IDLE = 2
    STARTING = 3
    STOPPED = 4


def classify_states(
    template: Template, nameplate: Nameplate, indicators: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.int8]:
    """State codes, of the indicators' shape; the first rule whose conditions all hold wins.

    A condition on a missing value does not hold, so that no data gives UNKNOWN, never a state.
    """
    shape = np.shape(next(iter(indicators.values()))) if indicators else (0,)
    codes = np.full(shape, StateCode.UNKNOWN, np.int8)
    for rule in template.states:
        holds = np.ones(shape, bool)
        for condition in rule.conditions:
            values = indicators.get(condition.indicator)
            if values is None:
                holds[...] = False
                break
            if condition.above is not None:
                holds &= values > template.threshold(condition.above, nameplate)
            elif condition.below is not None:
                holds &= values < template.threshold(condition.below, nameplate)
        codes[holds & (codes == StateCode.UNKNOWN)] = StateCode[rule.state.upper()]
    return codes


def runs_settled(codes: NDArray[np.int8], steps: int) -> NDArray[np.bool_]:
    """Where a machine has run for ``steps`` steps, this one included; what is not known does not speak against it.

    codes: state codes (n,), as the answer
    """
    other = (codes != StateCode.RUNNING) & (codes != StateCode.UNKNOWN)
    count = np.concatenate([[0], np.cumsum(other)])
    first = np.maximum(np.arange(1, len(codes) + 1) - steps, 0)
    settled: NDArray[np.bool_] = count[1:] == count[first]
    return settled
