"""The running scorer: one array operation scores all machines that share a template's signals, sample by sample.

Strictly causal: a score depends on its own and earlier samples alone, and machines do not know of each other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.departure import SMOOTHING_SAMPLES, DepartureModel
from analytics.indicators import Array
from analytics.persistence import Persistence

# A jump of more deviations than this says no more, and would be remembered for too long.
_FAR = 200.0
# A sample that jumps so many deviations away counts only if the next one is away as well: lone ones are the sensor's.
_JUMP = 12.0
# Limits, in deviations: of the signal furthest off, of all together (root mean square), of one sample's distance
# relative to the usual one.
_ALONE, _TOGETHER, _BROKEN = 5.5, 2.75, 4.0
_MOST_BROKEN = 20.0
# Samples in which a signal may be missing before it is left out.
_PATIENCE = 10
_LEAST_KNOWN = 0.5


@dataclass(slots=True)
class DepartureState:
    """What is carried from sample to sample of one machine; plain values, stored as JSON.

    smoothed, missing, jumped: per signal, moving average of the standardized signal, samples since it was last
        known, and whether the newest one was far off
    """

    smoothed: list[float] | None = None
    missing: list[int] | None = None
    jumped: list[bool] | None = None
    broken: float = 1.0
    score: float = 0.0
    departed: bool = False
    peak: float = 0.0
    bar: float = 1.0
    cleared: int = 0

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


class FleetScorer:
    """Scores machines of one shape, each with its own model.

    models: of all machines, with the same signals in the same order
    """

    def __init__(self, models: Sequence[DepartureModel]) -> None:
        self._mean = np.stack([model.mean for model in models])
        self._scale = np.stack([model.scale for model in models])
        self._wander = np.stack([model.wander for model in models])
        self._usual = np.array([model.usual for model in models])
        # Covariances of samples and of moving averages, and what turns samples into squared distances.
        directions = np.stack([model.directions for model in models])
        variances = np.stack([model.variances for model in models])
        spreads = np.stack([model.spreads for model in models])
        self._sample_axes = directions / np.sqrt(variances)[:, None, :]
        self._smooth_axes = directions / spreads[:, None, :]
        self._sample_covariance = (directions * variances[:, None, :]) @ directions.transpose(0, 2, 1)
        self._smooth_covariance = (directions * spreads[:, None, :] ** 2) @ directions.transpose(0, 2, 1)
        shape = self._mean.shape
        self.smoothed: NDArray[np.float64] = np.zeros(shape)
        self.scores: NDArray[np.float64] = np.zeros(shape[0])
        self._broken = np.ones(shape[0])
        self._missing = np.zeros(shape, np.int64)
        self._jumped = np.zeros(shape, bool)
        self._persistence = Persistence.of(shape[0])
        self._everyone = np.arange(shape[0])

    def step(
        self, values: Array, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Take a sample (rows, signals) of all machines, or of some: scores relative to the limit, and departed.

        NaN is a signal that is not known. A short gap leaves its average as it was, a long one leaves it out; a
        machine of which less than half is known keeps its score.
        """
        rows = self._everyone if rows is None else rows
        known = np.isfinite(values)
        told = known.mean(axis=1) >= _LEAST_KNOWN
        if not told.all():
            self._take(values[told], known[told], rows[told])
        else:
            self._take(values, known, rows)
        return self.scores[rows], self._persistence.departed[rows]

    def _take(self, values: Array, known: NDArray[np.bool_], rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        z = np.clip((values - self._mean[rows]) / self._scale[rows], -_FAR, _FAR)
        before = self.smoothed[rows]
        far = np.abs(z - before) > _JUMP
        jumped = np.where(known, far, self._jumped[rows])
        known = known & ~(far & ~self._jumped[rows])
        whole = bool(known.all())
        smoothed = before + (z - before) / SMOOTHING_SAMPLES
        missing = np.zeros_like(self._missing[rows]) if whole else np.where(known, 0, self._missing[rows] + 1)
        if not whole:
            z = np.where(known, z, 0.0)
            # A signal that was away for long begins anew.
            smoothed = np.where(missing > _PATIENCE, 0.0, np.where(known, smoothed, before))
        used = missing <= _PATIENCE
        alone = np.abs(smoothed / self._wander[rows]).max(axis=1) / _ALONE
        together = _distance(smoothed, used, self._smooth_axes, self._smooth_covariance, rows)
        sample = _distance(z, known, self._sample_axes, self._sample_covariance, rows)
        relative = np.minimum(sample / self._usual[rows], _MOST_BROKEN)
        broken = self._broken[rows] + (relative - self._broken[rows]) / SMOOTHING_SAMPLES
        scores = np.maximum(np.sqrt(alone * np.sqrt(together) / _TOGETHER), broken / _BROKEN)
        self.smoothed[rows], self._missing[rows], self._broken[rows] = smoothed, missing, broken
        self._jumped[rows] = jumped
        self.scores[rows] = scores
        self._persistence.follow(scores, rows)

    def left_out(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Machines (rows,) of which a signal has been missing for so long that it does not count."""
        found: NDArray[np.bool_] = np.any(self._missing[rows] > _PATIENCE, axis=1)
        return found

    def state(self, row: int) -> DepartureState:
        """What is carried of one machine."""
        held = self._persistence
        return DepartureState(
            self.smoothed[row].tolist(),
            self._missing[row].tolist(),
            self._jumped[row].tolist(),
            float(self._broken[row]),
            float(self.scores[row]),
            bool(held.departed[row]),
            float(held.peak[row]),
            float(held.bar[row]),
            int(held.cleared[row]),
        )

    def restore(self, row: int, state: DepartureState) -> None:
        """Go on with one machine where :meth:`state` left it."""
        if state.smoothed is None or state.missing is None or state.jumped is None:
            return
        held = self._persistence
        self.smoothed[row], self._missing[row], self._jumped[row] = state.smoothed, state.missing, state.jumped
        self._broken[row], self.scores[row] = state.broken, state.score
        held.departed[row], held.peak[row] = state.departed, state.peak
        held.bar[row], held.cleared[row] = state.bar, state.cleared


def follow(
    model: DepartureModel, state: DepartureState, values: Array
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Judge samples (n, signals) of one machine in order: score relative to the limit (n,), departed (n,).

    The state is brought up to date.
    """
    scorer = FleetScorer([model])
    scorer.restore(0, state)
    scores, departed = np.empty(len(values)), np.empty(len(values), bool)
    for index in range(len(values)):
        scores[index : index + 1], departed[index : index + 1] = scorer.step(values[index : index + 1])
    after = scorer.state(0)
    for name in DepartureState.__dataclass_fields__:
        setattr(state, name, getattr(after, name))
    return scores, departed


def _distance(
    values: Array,
    used: NDArray[np.bool_],
    axes: NDArray[np.float64],
    covariance: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> Array:
    """Mean square of values (rows, signals) along their axes; of those used alone where some are not.

    Leaving signals out is Mahalanobis' distance with their rows and columns struck from the covariance.
    """
    part = np.flatnonzero(~used.all(axis=1))
    squares: Array = np.mean(np.matmul(values[:, None, :], axes[rows])[:, 0] ** 2, axis=1)
    if len(part):
        both = used[part][:, :, None] & used[part][:, None, :]
        struck = np.where(both, covariance[rows[part]], np.eye(values.shape[1]))
        few = np.where(used[part], values[part], 0.0)
        solved = np.linalg.solve(struck, few[:, :, None])[:, :, 0]
        squares[part] = np.sum(few * solved, axis=1) / np.maximum(used[part].sum(axis=1), 1)
    return squares
