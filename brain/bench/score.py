"""`brain bench score`: what it costs to score a fleet, beside one detector object a machine."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from analytics import DepartureModel, FleetScorer, FleetSensors, learn_departure
from plant import template_library

_SEED = 7
_BASELINE = 400
# Different machines of which a fleet is made up, and machines of which one object each is kept.
_DIFFERENT = 50
_OBJECTS = 200


def bench_score(machines: int, seconds: int, template: str, say: Callable[[str], None]) -> dict[str, Any]:
    """CPU time of this process to follow every machine's sensors and score it once a second, and what objects take.

    Readings are made up (a common load and noise); a share of them is missing, as on a real plant.
    """
    kind = template_library()[template]
    signals = tuple(signal.key for signal in kind.signals if signal.kind == "number" and signal.response == "fast")
    random = np.random.default_rng(_SEED)
    say(f"{machines:,} machines of template {template}, {len(signals)} signals each ...")
    different = [_learn(signals, random) for _ in range(min(_DIFFERENT, machines))]
    models = [different[number % len(different)] for number in range(machines)]
    scorer, sensors, everyone = FleetScorer(models), FleetSensors(models), np.arange(machines)
    means, scales = np.stack([model.mean for model in models]), np.stack([model.scale for model in models])
    samples = [means + scales * random.normal(0, 1, means.shape) for _ in range(min(seconds, 10))]
    with_gaps = [np.where(random.random(sample.shape) < 0.01, np.nan, sample) for sample in samples]

    def second(number: int, given: list[NDArray[np.float64]]) -> object:
        return scorer.step(sensors.step(given[number % len(given)], everyone))

    second(0, samples)
    result: dict[str, Any] = {"machines": machines, "signals": len(signals), "template": template}
    whole_s = _cpu_s(lambda: [second(number, samples) for number in range(seconds)])
    gaps_s = _cpu_s(lambda: [second(number, with_gaps) for number in range(seconds)])
    per_machine_s = whole_s / seconds / machines
    result["machines_per_s"] = round(1 / per_machine_s)
    result["cpu_s_per_second"] = round(whole_s / seconds, 5)
    result["cpu_s_per_second_with_gaps"] = round(gaps_s / seconds, 5)
    result["share_missing_in_gaps"] = 0.01
    result["us_per_machine"] = round(per_machine_s * 1e6, 3)
    say("one object a machine ...")
    count = min(_OBJECTS, machines)
    baselines = [model.mean + model.scale * random.normal(0, 1, (_BASELINE, len(signals))) for model in models[:count]]
    for name, per_object_s in (
        ("isolation_forest", _forest_s(baselines, samples[0])),
        ("pca", _pca_s(baselines, samples[0])),
    ):
        result[f"{name}_us_per_machine"] = round(per_object_s * 1e6, 1)
        result[f"ratio_to_{name}_objects"] = round(per_object_s / per_machine_s, 1)
    return result


def _learn(signals: tuple[str, ...], random: np.random.Generator) -> DepartureModel:
    load = random.normal(0, 1, (_BASELINE, 1))
    shape = random.normal(0, 1, (1, len(signals)))
    model = learn_departure(signals, 100 + load * shape + random.normal(0, 0.5, (_BASELINE, len(signals))))
    assert model is not None
    return model


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return max(time.process_time() - began, 1e-9)


def _forest_s(baselines: list[NDArray[np.float64]], sample: NDArray[np.float64]) -> float:
    """CPU seconds to score one sample with a forest object of its own, a machine."""
    forests = [IsolationForest(random_state=_SEED).fit(baseline) for baseline in baselines[:20]]
    rounds = [(forest, sample[row : row + 1]) for row, forest in enumerate(forests)]
    return _cpu_s(lambda: [forest.score_samples(one) for forest, one in rounds]) / len(rounds)


def _pca_s(baselines: list[NDArray[np.float64]], sample: NDArray[np.float64]) -> float:
    """CPU seconds for T2 and Q of one sample with a PCA object of its own, a machine; nothing is followed."""
    fitted = [PCA(n_components=0.9, svd_solver="full").fit(baseline) for baseline in baselines]

    def score(pca: PCA, one: NDArray[np.float64]) -> tuple[float, float]:
        scores = pca.transform(one)
        left = one - pca.inverse_transform(scores)
        return float(np.sum(scores**2 / pca.explained_variance_)), float(np.sum(left**2))

    rounds = [(pca, sample[row : row + 1]) for row, pca in enumerate(fitted)]
    return _cpu_s(lambda: [score(pca, one) for pca, one in rounds]) / len(rounds)
