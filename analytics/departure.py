"""Departure from normal for machines whose physics nobody has written down: PCA with T2 and Q (MSPC).

Fast signals only: in a short baseline slow ones just drift, and would alarm for warming up.
Source: J. E. Jackson, A User's Guide to Principal Components, ch. 1-2 (T2 and Q).
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold

from analytics.indicators import Array

_BLOCKS = 5
_EXPLAINED = 0.9
_QUANTILE = 0.995
_DEVIATIONS = 4.5
_SMOOTHING_SAMPLES = 20.0
_ON, _OFF = 1.0, 0.7


@dataclass(frozen=True, slots=True)
class DepartureModel:
    """Normal region of a few fast signals.

    mean, scale: float64 (signals,); loadings: float64 (components, signals); variances: (components,)
    limits of smoothed T2 and Q
    """

    signals: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    loadings: NDArray[np.float64]
    variances: NDArray[np.float64]
    t2_limit: float
    q_limit: float

    def score_samples(self, values: Array) -> Array:
        """(T2, Q) of samples (n, signals), each (n,) as an array (2, n); NaN where a signal is unknown."""
        t2, q = _statistics((values - self.mean) / self.scale, self.loadings, self.variances)
        return np.stack([t2, q])

    def contributions(self, values: Array) -> Array:
        """How much each signal adds to Q and T2, (n, signals), relative to the limits."""
        z = (values - self.mean) / self.scale
        scores = z @ self.loadings.T
        residual = z - scores @ self.loadings
        t2_part = z * ((scores / self.variances) @ self.loadings)
        parts: Array = residual**2 / self.q_limit + np.maximum(t2_part, 0) / self.t2_limit
        return parts

    def to_bytes(self) -> bytes:
        """Plain arrays in an npz, never pickle."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            signals=np.array(self.signals),
            mean=self.mean,
            scale=self.scale,
            loadings=self.loadings,
            variances=self.variances,
            limits=np.array([self.t2_limit, self.q_limit]),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "DepartureModel":
        """The model that :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            t2_limit, q_limit = arrays["limits"].tolist()
            return cls(
                tuple(arrays["signals"].tolist()),
                arrays["mean"],
                arrays["scale"],
                arrays["loadings"],
                arrays["variances"],
                t2_limit,
                q_limit,
            )


def learn_departure(signals: tuple[str, ...], values: Array) -> DepartureModel | None:
    """Learn from a baseline (n, signals); None where fewer than a hundred samples are whole.

    The limits are quantiles of the statistics on blocks of time left out of the fit.
    """
    whole = values[np.isfinite(values).all(axis=1)]
    if len(whole) < 100:
        return None
    mean, scale, loadings, variances = _fit(whole)
    unseen_t2, unseen_q = [], []
    for train, test in KFold(_BLOCKS, shuffle=False).split(whole):
        m, s, p, v = _fit(whole[train])
        t2, q = _statistics((whole[test] - m) / s, p, v)
        unseen_t2.append(t2)
        unseen_q.append(q)
    return DepartureModel(
        signals,
        mean,
        scale,
        loadings,
        variances,
        _limit(np.concatenate(unseen_t2)),
        _limit(np.concatenate(unseen_q)),
    )


def _limit(unseen: Array) -> float:
    """Limit of a smoothed statistic, from its values on unseen blocks.

    A few hundred samples hold only a handful of independent smoothed ones, so that their quantile alone is
    too low by chance; the spread that smoothing leaves of white noise is the floor below it.
    """
    smoothed = smooth(unseen, float(np.mean(unseen)))
    left = float(np.std(unseen)) / np.sqrt(2 * _SMOOTHING_SAMPLES - 1)
    return max(float(np.quantile(smoothed, _QUANTILE)), float(np.mean(unseen)) + _DEVIATIONS * float(left))


def smooth(values: Array, state: float) -> Array:
    """Exponentially weighted moving average that begins at ``state``; unknown values change nothing."""
    weight = 1 / _SMOOTHING_SAMPLES
    result = np.empty_like(values)
    for index, value in enumerate(values):
        if np.isfinite(value):
            state += weight * (value - state)
        result[index] = state
    return result


@dataclass(slots=True)
class DepartureState:
    """What the judge carries from sample to sample."""

    t2: float = 0.0
    q: float = 0.0
    departed: bool = False


def follow(model: DepartureModel, state: DepartureState, values: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Judge samples (n, signals) in order: score relative to the limit (n,), and whether departed (n,).

    Strictly causal: what comes later changes nothing. On at the limit, off well below it.
    """
    t2, q = model.score_samples(values)
    smooth_t2, smooth_q = smooth(t2, state.t2), smooth(q, state.q)
    scores = np.maximum(smooth_t2 / model.t2_limit, smooth_q / model.q_limit)
    departed = np.zeros(len(scores), bool)
    for index, score in enumerate(scores):
        state.departed = bool(score > (_OFF if state.departed else _ON))
        departed[index] = state.departed
    if len(scores):
        state.t2, state.q = float(smooth_t2[-1]), float(smooth_q[-1])
    return scores, departed


def _fit(
    values: Array,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    mean = values.mean(axis=0)
    scale = np.maximum(values.std(axis=0), 1e-9)
    pca = PCA(n_components=_EXPLAINED, svd_solver="full").fit((values - mean) / scale)
    return mean, scale, pca.components_, np.maximum(pca.explained_variance_, 1e-9)


def _statistics(z: Array, loadings: NDArray[np.float64], variances: NDArray[np.float64]) -> tuple[Array, Array]:
    scores = z @ loadings.T
    t2: Array = np.sum(scores**2 / variances, axis=-1)
    q: Array = np.sum((z - scores @ loadings) ** 2, axis=-1)
    return t2, q
