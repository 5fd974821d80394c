"""Normal behaviour: what a machine's signals should be, given its other signals, learnt at commissioning.

Each expected signal is a ridge regression (scikit-learn) on load, ambience and heat stored in the machine.
Stored heat is the load's squared current seen through first-order lags, as the thermal network does.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from analytics.indicators import Array, indicators
from analytics.starts import TURNING
from plant import Expectation, Nameplate, Template

_LAG = re.compile(r"^(copper|turning)_(\d+)$")
_BLOCKS = 6
# As long as a large motor keeps its heat.
_HEAT_S = 5 * 3600.0
_RIDGE = 1.0
# Smallest standard deviation that a model may claim: sensors and weather are not better than that.
_FLOOR = {"slow": 0.4, "fast": 0.02}
_CONSTANT, _REPEATED = "constant_minutes_", "repeated_minutes_"


def lagged(values: Array, step_s: float, tau_s: float) -> Array:
    """Values (n,) through a first-order lag, exact for inputs constant over a step, strictly causal.

    Begins in balance with the mean of the first hour; an unknown value keeps the input as it was.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.full_like(values, math.nan)
    keep = math.exp(-step_s / tau_s)
    width = max(1, round(3600 / step_s))
    first = values[:width][known[:width]]
    begin = float(first.mean()) if len(first) else float(values[known][0])
    driven = values
    if not known.all():
        # Where nothing is known the input stays as it was.
        last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
        driven = np.where(last >= 0, values[np.maximum(last, 0)], begin)
    result: Array = lfilter([1 - keep], [1, -keep], driven, zi=[keep * begin])[0]
    return result


def features(
    names: Sequence[str], found: Mapping[str, Array], step_s: float, lags: dict[str, Array] | None = None
) -> Array:
    """The named features of one machine, (n, names), from its indicators (n,).

    lags: of the same machine and moment, those that another expectation has asked for; what is missing is added
    """
    lags = {} if lags is None else lags
    columns = []
    for name in names:
        match = _LAG.match(name)
        if match is None:
            columns.append(found[name])
            continue
        if name not in lags:
            source = found["copper"] if match[1] == "copper" else turning(found)
            lags[name] = lagged(source, step_s, float(match[2]))
        columns.append(lags[name])
    return np.stack(columns, axis=-1)


def feature_source(name: str) -> str:
    """The indicator that a feature is made of."""
    match = _LAG.match(name)
    return match[1] if match is not None else name


def turning(found: Mapping[str, Array]) -> Array:
    """1 where the machine turns, 0 where it stands, NaN where that is not known."""
    ratio = found["current_ratio"]
    result: Array = np.where(np.isnan(ratio), np.nan, (ratio > TURNING).astype(np.float64))
    return result


def turned_share(found: Mapping[str, Array], step_s: float) -> float:
    """Share of the last five hours in which the machine turned; 1 where nothing is known."""
    if "current_ratio" not in found:
        return 1.0
    known = turning(found)[-round(_HEAT_S / step_s) :]
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else 1.0


@dataclass(frozen=True, slots=True)
class ExpectedSignal:
    """A fitted expectation: ``offset + features @ weights``, with the spread of unseen blocks.

    weights: float64 (features,); low, high: float64 (features,), range seen while learning
    """

    signal: str
    names: tuple[str, ...]
    running_only: bool
    weights: NDArray[np.float64]
    offset: float
    deviation: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def expect(self, inputs: Array) -> Array:
        """Expected values (n,) for inputs (n, features); NaN where an input is unknown."""
        expected: Array = self.offset + inputs @ self.weights
        return expected


@dataclass(frozen=True, slots=True)
class BehaviourModel:
    """What is normal for one machine.

    usual: figures of the baseline by name
    """

    step_s: float
    samples: int
    expected: tuple[ExpectedSignal, ...]
    usual: Mapping[str, float]

    def with_constants(self, minutes: Mapping[str, int]) -> "BehaviourModel":
        """The model of a machine whose sensors say one value for so many minutes; signal -> the most in a row."""
        constants = {f"{_CONSTANT}{key}": float(most) for key, most in minutes.items()}
        return replace(self, usual={**self.usual, **constants})

    def constant_minutes(self, signal: str) -> float:
        """The most minutes in a row in which a sensor said one value; 0 where it never did, or was too seldom heard."""
        return self.usual.get(f"{_CONSTANT}{signal}", 0.0)

    def repeated_minutes(self, signal: str) -> float:
        """The most minutes in a row of the baseline whose averages were the same."""
        return self.usual.get(f"{_REPEATED}{signal}", 0.0)

    def to_bytes(self) -> bytes:
        """Plain arrays in an npz, never pickle."""
        arrays: dict[str, NDArray[np.generic]] = {
            "head": np.array([self.step_s, self.samples, len(self.expected)]),
            "usual_keys": np.array(list(self.usual)),
            "usual": np.array(list(self.usual.values())),
        }
        for number, entry in enumerate(self.expected):
            arrays[f"{number}_words"] = np.array([entry.signal, *entry.names])
            arrays[f"{number}_numbers"] = np.array([entry.running_only, entry.offset, entry.deviation])
            arrays[f"{number}_weights"] = np.stack([entry.weights, entry.low, entry.high])
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "BehaviourModel":
        """The model that :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            step_s, samples, count = arrays["head"].tolist()
            expected = []
            for number in range(int(count)):
                words = arrays[f"{number}_words"].tolist()
                running_only, offset, deviation = arrays[f"{number}_numbers"].tolist()
                weights, low, high = arrays[f"{number}_weights"]
                expected.append(
                    ExpectedSignal(
                        words[0], tuple(words[1:]), bool(running_only), weights, offset, deviation, low, high
                    )
                )
            usual = dict(zip(arrays["usual_keys"].tolist(), arrays["usual"].tolist(), strict=True))
        return cls(step_s, int(samples), tuple(expected), usual)


def learn(
    found: Mapping[str, Array],
    expectations: Sequence[Expectation],
    slow_signals: Sequence[str],
    step_s: float,
    minimum_samples: int,
) -> BehaviourModel | None:
    """Learn from a baseline of indicators (n,); None where there is too little to learn from.

    The spread of each expectation is that on blocks of time left out of the fit, so that a short or
    uniform baseline does not promise more than it knows.
    """
    running = turning(found) > 0.5
    expected = []
    for expectation in expectations:
        if expectation.signal not in found:
            continue
        inputs = features(expectation.features, found, step_s)
        wanted = found[expectation.signal]
        usable = np.isfinite(wanted) & np.isfinite(inputs).all(axis=1)
        if expectation.when == "running":
            usable &= running
        # The lags begin with a guess: the first two hours teach the wrong thing.
        usable[: round(7200 / step_s)] = False
        if usable.sum() < minimum_samples * 0.15:
            continue
        x, y = inputs[usable], wanted[usable]
        floor = _FLOOR["slow" if expectation.signal in slow_signals else "fast"]
        weights, offset = _fit(x, y)
        deviation = max(_spread_on_unseen(x, y), floor * (1.0 if floor > 0.1 else float(np.mean(np.abs(y))) + 0.5))
        expected.append(
            ExpectedSignal(
                expectation.signal,
                expectation.features,
                expectation.when == "running",
                weights,
                offset,
                deviation,
                x.min(axis=0),
                x.max(axis=0),
            )
        )
    if len(running) < minimum_samples or not (expected or not expectations):
        return None
    usual = {}
    for key in ("current_unbalance", "voltage_unbalance", "load"):
        values = found.get(key)
        if values is not None and np.isfinite(values[running]).any():
            usual[key] = float(np.nanmedian(values[running]))
    turned = turning(found)
    usual["starts_per_hour"] = _most_starts(turned[np.isfinite(turned)] > 0.5, step_s)
    usual["turned_share_least"] = _least_turned(found, step_s)
    return BehaviourModel(step_s, len(running), tuple(expected), usual)


def learn_machine(template: Template, nameplate: Nameplate, signals: Mapping[str, Array]) -> BehaviourModel | None:
    """Learn a machine of a template from its baseline, signal -> (n,) at the template's step; None as :func:`learn`."""
    behaviour = template.behaviour
    slow = [signal.key for signal in template.signals if signal.response == "slow"]
    found = indicators(template.key, nameplate, signals)
    model = learn(found, behaviour.expectations, slow, behaviour.sampling_s, behaviour.minimum_samples)
    if model is None:
        return None
    numbers = [signal.key for signal in template.signals if signal.kind == "number" and signal.key in signals]
    repeated = {f"{_REPEATED}{key}": longest_run(signals[key]) * behaviour.sampling_s / 60 for key in numbers}
    return replace(model, usual={**model.usual, **repeated})


def longest_run(values: Array) -> int:
    """The most known values in a row that are exactly the same (n,); 0 where none follows another."""
    same = np.concatenate([[False], values[1:] == values[:-1], [False]])
    edges = np.flatnonzero(~same)
    most = int(np.max(np.diff(edges), initial=1))
    return most if most > 1 else 0


def _fit(x: Array, y: Array) -> tuple[NDArray[np.float64], float]:
    scaler = StandardScaler().fit(x)
    ridge = Ridge(alpha=_RIDGE).fit(scaler.transform(x), y)
    weights: NDArray[np.float64] = ridge.coef_ / scaler.scale_
    return weights, float(ridge.intercept_ - weights @ scaler.mean_)


def _spread_on_unseen(x: Array, y: Array) -> float:
    """Root mean square error on blocks of time that were left out of the fit."""
    squares = []
    for train, test in KFold(_BLOCKS, shuffle=False).split(x):
        weights, offset = _fit(x[train], y[train])
        squares.append(np.mean((y[test] - offset - x[test] @ weights) ** 2))
    return math.sqrt(float(np.mean(squares)))


def _most_starts(running: NDArray[np.bool_], step_s: float) -> float:
    """The most starts seen in any hour."""
    starts = np.flatnonzero(running[1:] & ~running[:-1])
    width = 3600 / step_s
    return float(max((np.sum((starts >= at) & (starts < at + width)) for at in starts), default=0))


def _least_turned(found: Mapping[str, Array], step_s: float) -> float:
    """The smallest share of any five hours in which the machine turned, its unknown moments left out."""
    turned = turning(found)
    known = np.isfinite(turned)
    width = min(round(_HEAT_S / step_s), len(turned))
    window = np.ones(width)
    seen = np.convolve(known, window, "valid")
    shares = np.convolve(np.where(known, turned, 0.0), window, "valid")[seen > 0] / seen[seen > 0]
    return float(shares.min()) if len(shares) else 0.0
