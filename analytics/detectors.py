"""Detectors of departure with scikit-learn's interface: ``fit`` on a baseline, ``score_samples`` in order of time.

For studies and comparisons; the running service keeps the same models in :class:`analytics.fleet.DepartureFleet`.
Scores are relative to the limit (above 1 is a departure that begins), strictly causal, and depend on order.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

from analytics.departure import DepartureModel, learn_whole, winsorize
from analytics.indicators import Array
from analytics.scorer import DepartureState, follow

_LEAST_SAMPLES = 10
_BLOCKS = 5
_BANDWIDTHS = (0.5, 1.0, 2.0, 4.0)


class _Detector(BaseEstimator):  # type: ignore[misc]
    """What the detectors share: the model of what is left once a normal sample is taken away."""

    model_: DepartureModel

    def score_samples(self, X: Array) -> NDArray[np.float64]:
        """Scores of samples (n, signals) that follow on the baseline, (n,), relative to the limit."""
        return self._follow(X)[0]

    def departed(self, X: Array) -> NDArray[np.bool_]:
        """Whether each sample (n, signals) belongs to a departure, with hysteresis, (n,)."""
        return self._follow(X)[1]

    def _follow(self, values: Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        check_is_fitted(self)
        values = validate_data(self, values, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return follow(self.model_, DepartureState(), self._left(values))

    def _left(self, values: Array) -> Array:
        """What the normal model does not explain of samples (n, signals)."""
        return values

    def _baseline(self, values: Array) -> Array:
        """The whole samples of a baseline; raises ``ValueError`` for fewer than ten."""
        checked = validate_data(
            self, values, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=_LEAST_SAMPLES
        )
        whole: Array = checked[np.isfinite(checked).all(axis=1)]
        if len(whole) < _LEAST_SAMPLES:
            raise ValueError(f"{len(whole)} of the samples are whole, at least {_LEAST_SAMPLES} are needed")
        return whole

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class DepartureDetector(_Detector):
    """Principal components: T2 and Q, and moving averages of all signals (:mod:`analytics.departure`).

    >>> import numpy as np
    >>> random = np.random.default_rng(0)
    >>> baseline = random.normal(0, 1, (400, 3))
    >>> moved = random.normal(0, 1, (100, 3)) + [0, 3, 0]
    >>> bool(DepartureDetector().fit(baseline).departed(moved)[-1])
    True
    """

    def fit(self, X: Array, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's names
        """Learn from a baseline (n, signals)."""
        whole = self._baseline(X)
        self.model_ = learn_whole(tuple(f"x{number}" for number in range(whole.shape[1])), whole)
        return self


class KernelDetector(_Detector):
    """Auto-associative kernel regression: a sample is expected to be like the baseline's samples nearest to it.

    What is left is followed as :class:`DepartureDetector` follows signals. Knows several ways of running; a
    slow drift away from all of them is partly explained away. memory: samples of the baseline that are kept.

    Source: J. W. Hines, D. R. Garvey, NUREG/CR-6895 vol. 2 (2007), ch. 3.
    """

    def __init__(self, memory: int = 200) -> None:
        self.memory = memory

    def fit(self, X: Array, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's names
        """Learn from a baseline (n, signals); the bandwidth is the best on blocks of time left out."""
        whole = self._baseline(X)
        calm = winsorize(whole)
        self.mean_ = calm.mean(axis=0)
        self.scale_ = np.maximum(calm.std(axis=0), np.maximum(1e-9, 1e-6 * np.abs(self.mean_)))
        z = (whole - self.mean_) / self.scale_
        tried = [self._on_unseen(z, bandwidth) for bandwidth in _BANDWIDTHS]
        best = int(np.argmin([np.mean(left**2) for left in tried]))
        self.bandwidth_ = _BANDWIDTHS[best]
        self.memory_ = self._remember(z)
        self.model_ = learn_whole(tuple(f"x{number}" for number in range(z.shape[1])), tried[best])
        return self

    def _on_unseen(self, z: Array, bandwidth: float) -> Array:
        left = np.empty_like(z)
        for train, test in KFold(_BLOCKS, shuffle=False).split(z):
            left[test] = z[test] - _expected(z[test], self._remember(z[train]), bandwidth)
        return left

    def _remember(self, z: Array) -> Array:
        """Samples evenly spread over the baseline."""
        chosen: Array = z[np.unique(np.linspace(0, len(z) - 1, min(self.memory, len(z))).astype(int))]
        return chosen

    def _left(self, values: Array) -> Array:
        z: Array = (values - self.mean_) / self.scale_
        return z - _expected(z, self.memory_, self.bandwidth_)


def _expected(z: Array, memory: Array, bandwidth: float) -> Array:
    """Mean of remembered samples (k, signals) weighted by nearness to each sample (n, signals), (n, signals)."""
    squares = np.sum((z[:, None, :] - memory[None]) ** 2, axis=2)
    # The nearest always counts, however far a sample is from all.
    weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * bandwidth**2))
    expected: Array = weights @ memory / weights.sum(axis=1, keepdims=True)
    return expected
