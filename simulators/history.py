"""The plant's past, as batches for the spool."""

from collections.abc import Iterator

import numpy as np

from plant import MICROSECONDS, Batch, SignalDirectory
from simulators.simulation import SIGNALS, PlantSimulation, Samples

_BLOCK_STEPS = 240


def simulate_history(
    simulation: PlantSimulation, directory: SignalDirectory, start_us: int, end_us: int, step_s: int = 60
) -> Iterator[Batch]:
    """Readings in (start, end], block by block. Raises ``KeyError`` for a machine that is not registered."""
    ids = signal_ids(simulation, directory)
    block = _BLOCK_STEPS * step_s * MICROSECONDS
    for until in range(start_us + block, end_us + block, block):
        samples = simulation.advance(min(until, end_us), step_s)
        if len(samples.times):
            yield to_batch(samples, ids)


def signal_ids(
    simulation: PlantSimulation, directory: SignalDirectory
) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Ids of all signals, (signals, machines), signals in the order of ``SIGNALS``."""
    ids = np.zeros((len(SIGNALS), len(simulation.plan.specs)), np.int32)
    for column, spec in enumerate(simulation.plan.specs):
        for row, key in enumerate(SIGNALS):
            found = directory.signal_id(spec.site, spec.machine, key)
            if found is None:
                raise KeyError(f"signal {spec.site}/{spec.machine}/{key} is not registered")
            ids[row, column] = found
    return ids


def to_batch(samples: Samples, ids: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> Batch:
    """All samples as one batch, in order of time."""
    steps, machines = len(samples.times), ids.shape[1]
    values = np.stack([samples.signals[key] for key in SIGNALS], axis=1)  # (steps, signals, machines)
    good = np.zeros((steps, machines), np.int16)
    qualities = np.stack([samples.qualities.get(key, good) for key in SIGNALS], axis=1)
    shape = values.shape
    return Batch(
        np.broadcast_to(samples.times[:, None, None], shape).ravel(),
        np.broadcast_to(ids[None], shape).ravel(),
        values.ravel(),
        qualities.ravel(),
    )
