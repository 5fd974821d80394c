"""Departure from normal for machines whose physics nobody has written down: what is learnt, and what is computed.

A baseline teaches mean, scale and principal directions of the signals, and how far their moving averages wander
by themselves. Pure functions on arrays; what runs from sample to sample is :mod:`analytics.scorer`.

Sources: J. E. Jackson, A User's Guide to Principal Components, ch. 1-2 (T2 and Q); H. H. Yue, S. J. Qin,
Ind. Eng. Chem. Res. 40 (2001) 4403 (the two as one index); C. A. Lowry et al., Technometrics 34 (1992) 46
(moving averages of several signals); P. J. Huber, Robust Statistics, ch. 1 (winsorizing at 1.5 deviations).
"""

import io
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from analytics.indicators import Array

# Settings of the detector, the same for every machine; how they were chosen is in docs/benchmarks.md.
SMOOTHING_SAMPLES = 8.0
_BLOCKS = 5
_HUBER = 1.5
_EXPLAINED = 0.9
# No direction counts as better known than this share of one signal's variance.
_LEAST_VARIANCE = 0.05
_LEAST_SAMPLES = 100
# Second form of stored models: the first had limits of smoothed T2 and Q.
_FORM = 2


@dataclass(frozen=True, slots=True)
class DepartureModel:
    """Normal region of a few signals.

    mean, scale: float64 (signals,), units of the signals
    wander: float64 (signals,), deviation of each standardized, smoothed signal on blocks left out of the mean
    directions: float64 (signals, signals), principal directions in columns, greatest variance first
    variances: float64 (signals,), of standardized samples along them
    spreads: float64 (signals,), deviation of smoothed samples along them on blocks left out
    leading: how many directions T2 takes, the others are Q's
    usual: mean of (T2 + Q) / signals on blocks left out of the fit
    samples: length of the baseline
    repeats: int64 (signals,), most samples in a row in which a signal said exactly the same
    """

    signals: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    wander: NDArray[np.float64]
    directions: NDArray[np.float64]
    variances: NDArray[np.float64]
    spreads: NDArray[np.float64]
    leading: int
    usual: float
    samples: int
    repeats: NDArray[np.int64]

    def score_samples(self, values: Array) -> Array:
        """(T2, Q) of samples (n, signals), each (n,) as an array (2, n); NaN where a signal is unknown.

        Q's directions are divided by their variances as T2's are: the two add up to Mahalanobis' distance.
        """
        squares = ((values - self.mean) / self.scale @ self.directions) ** 2 / self.variances
        return np.stack([squares[:, : self.leading].sum(axis=1), squares[:, self.leading :].sum(axis=1)])

    def contributions(self, smoothed: Array) -> Array:
        """Share of each signal in the departure of smoothed standardized samples (n, signals); rows sum to 1.

        The mean of its shares in its own chart and in the joint one, d_i (C^-1 d)_i, negative ones left out.
        """
        alone = (smoothed / self.wander) ** 2
        weighed = (smoothed @ self.directions / self.spreads**2) @ self.directions.T
        together = np.maximum(smoothed * weighed, 0)
        parts: Array = (_shares(alone) + _shares(together)) / 2
        return parts

    def to_bytes(self) -> bytes:
        """Plain arrays in an npz, never pickle."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            form=np.array(_FORM),
            signals=np.array(self.signals),
            mean=self.mean,
            scale=self.scale,
            wander=self.wander,
            directions=self.directions,
            variances=self.variances,
            spreads=self.spreads,
            numbers=np.array([self.leading, self.usual, self.samples]),
            repeats=self.repeats,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "DepartureModel | None":
        """The model that :meth:`to_bytes` wrote; None for one of another form, which must be learnt anew."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if "form" not in arrays or int(arrays["form"]) != _FORM:
                return None
            leading, usual, samples = arrays["numbers"].tolist()
            return cls(
                tuple(arrays["signals"].tolist()),
                arrays["mean"],
                arrays["scale"],
                arrays["wander"],
                arrays["directions"],
                arrays["variances"],
                arrays["spreads"],
                int(leading),
                usual,
                int(samples),
                arrays["repeats"],
            )


def learn_departure(signals: tuple[str, ...], values: Array) -> DepartureModel | None:
    """Learn from a baseline (n, signals); None where fewer than a hundred samples are whole.

    What deviates and wanders is measured on blocks of time left out of the fit, so that a short baseline does
    not promise more than it knows.
    """
    whole = values[np.isfinite(values).all(axis=1)]
    return learn_whole(signals, whole) if len(whole) >= _LEAST_SAMPLES else None


def learn_whole(signals: tuple[str, ...], whole: Array) -> DepartureModel:
    """The model of a baseline (n, signals) without gaps, of at least two samples a block."""
    calm = winsorize(whole)
    mean, scale, directions, variances = _fit(calm)
    z = (calm - mean) / scale
    smoothed = smooth(z, np.zeros(z.shape[1]))
    # White noise leaves this much of itself in a moving average: less is chance.
    least = 1 / math.sqrt(2 * SMOOTHING_SAMPLES - 1)
    along = smoothed @ directions / np.sqrt(variances)
    leading = int(np.searchsorted(np.cumsum(variances) / variances.sum(), _EXPLAINED)) + 1
    return DepartureModel(
        signals,
        mean,
        scale,
        np.maximum(_wander(smoothed), least),
        directions,
        variances,
        np.maximum(_wander(along), least) * np.sqrt(variances),
        min(leading, len(mean)),
        _usual(calm),
        len(whole),
        _repeats(whole),
    )


def winsorize(values: Array) -> Array:
    """Values (n, signals) no further than 1.5 standard deviations from the median of their signal.

    A start or a jolt in the baseline then hardly moves mean and scale.
    """
    median, reach = np.median(values, axis=0), _HUBER * values.std(axis=0)
    calm: Array = np.clip(values, median - reach, median + reach)
    return calm


def smooth(values: Array, state: Array) -> Array:
    """Exponentially weighted moving average along the first axis that begins at ``state``; no gaps."""
    weight = 1 / SMOOTHING_SAMPLES
    result = np.empty_like(values)
    for index, value in enumerate(values):
        state = state + weight * (value - state)
        result[index] = state
    return result


def _fit(values: Array) -> tuple[Array, Array, Array, Array]:
    mean = values.mean(axis=0)
    scale = np.maximum(values.std(axis=0), np.maximum(1e-9, 1e-6 * np.abs(mean)))
    z = (values - mean) / scale
    found, directions = np.linalg.eigh(z.T @ z / len(z))
    return mean, scale, directions[:, ::-1], np.maximum(found[::-1], _LEAST_VARIANCE)


def _wander(smoothed: Array) -> Array:
    """Root mean square distance of each block of time from the mean of the others, (columns,)."""
    squares = [
        np.mean((smoothed[test] - smoothed[train].mean(axis=0)) ** 2, axis=0)
        for train, test in KFold(_BLOCKS, shuffle=False).split(smoothed)
    ]
    wander: Array = np.sqrt(np.mean(squares, axis=0))
    return wander


def _usual(calm: Array) -> float:
    """Mean of (T2 + Q) / signals on blocks of time left out of the fit."""
    distances = []
    for train, test in KFold(_BLOCKS, shuffle=False).split(calm):
        mean, scale, directions, variances = _fit(calm[train])
        squares = ((calm[test] - mean) / scale @ directions) ** 2 / variances
        distances.append(squares.mean(axis=1))
    return max(float(np.mean(np.concatenate(distances))), 1e-9)


def _repeats(whole: Array) -> NDArray[np.int64]:
    """Most samples in a row that are exactly the same, (signals,)."""
    run = most = np.ones(whole.shape[1], np.int64)
    for before, sample in pairwise(whole):
        run = np.where(sample == before, run + 1, 1)
        most = np.maximum(most, run)
    return most


def _shares(parts: Array) -> Array:
    total = parts.sum(axis=-1, keepdims=True)
    shares: Array = parts / np.where(total > 0, total, 1.0)
    return shares
