"""`brain bench skab`: the departure detector on the Skoltech Anomaly Benchmark, a real motor and pump.

The data are not part of this project (github.com/waico/SKAB, GPL-3.0). Each file alone: learnt on its first 400
rows, judged on the others in order, never looking ahead; one setting for all files.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from analytics import DepartureFleet, KernelDetector, judged_signals, learn_departure
from brain.bench.verdicts import Flags, episodes, quality
from plant import template_library

BASELINE_ROWS = 400
LONG_BASELINE_ROWS = 3600
COLUMNS = {
    "Accelerometer1RMS": "vibration_acceleration_1",
    "Accelerometer2RMS": "vibration_acceleration_2",
    "Current": "current",
    "Pressure": "pressure",
    "Temperature": "motor_temperature",
    "Thermocouple": "fluid_temperature",
    "Voltage": "voltage",
    "Volume Flow RateRMS": "flow",
}
# F1, false alarm rate, missed alarm rate on all 34 files, as their authors give them.
PUBLISHED = {
    "Conv-AE": (0.78, 0.1355, 0.2802, "looks 58 rows ahead; made causal about 0.71"),
    "MSET": (0.78, 0.3973, 0.1413, "looks 29 rows ahead"),
    "T2+Q": (0.76, 0.2662, 0.2492, "best of the causal ones"),
    "LSTM-AE": (0.74, None, None, ""),
    "T2": (0.66, None, None, ""),
    "Isolation Forest": (0.29, None, None, ""),
}
_FOLDERS = ("valve1", "valve2", "other")
_FREE = "anomaly-free"
_SEED = 1


class SkabError(Exception):
    """The folder does not hold the benchmark, or a file of it cannot be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """A file: values float64 (n, 8) in the order of COLUMNS, labels bool (n,), only for the evaluator."""

    name: str
    values: NDArray[np.float64]
    labels: Flags

    @property
    def kept_apart(self) -> bool:
        """Whether it belongs to the half that nothing was tuned on: odd valve files, even ones of `other`."""
        folder, _, number = self.name.partition("/")
        return int(number) % 2 == (0 if folder == "other" else 1)


def load_records(directory: Path) -> tuple[list[Record], Record | None]:
    """The labelled files that are there, and the anomaly-free record; raises :class:`SkabError` without any."""
    records = [
        _load(path, f"{folder}/{path.stem}")
        for folder in _FOLDERS
        for path in sorted((directory / folder).glob("*.csv"), key=lambda path: (len(path.stem), path.stem))
        if path.stem.isdigit()
    ]
    usable = [record for record in records if len(record.values) > BASELINE_ROWS]
    if not usable:
        raise SkabError(
            f"{directory} holds no labelled file of the benchmark: name the folder that has valve1, valve2 and other "
            "in it (data/ of github.com/waico/SKAB)"
        )
    free = directory / _FREE / f"{_FREE}.csv"
    return usable, _load(free, _FREE) if free.is_file() else None


def _load(path: Path, name: str) -> Record:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        values = np.array([[float(row[column]) for column in COLUMNS] for row in rows])
        labels = np.array([float(row.get("anomaly") or 0) > 0.5 for row in rows], bool)
    except (KeyError, TypeError, ValueError) as error:
        raise SkabError(f"{path} is not a file of the benchmark: {type(error).__name__} {error}") from error
    return Record(name, values.reshape(-1, len(COLUMNS)), labels)


def departed(records: list[Record], baseline_rows: int = BASELINE_ROWS) -> list[Flags]:
    """What the product says of the rows behind the baseline, all records as machines of one fleet."""
    template = template_library()["pump_set"]
    keys = tuple(COLUMNS.values())
    models, samples = {}, {}
    for number, record in enumerate(records):
        baseline = record.values[:baseline_rows]
        chosen = judged_signals(template, keys, baseline, template.behaviour.sampling_s)
        model = learn_departure(tuple(keys[column] for column in chosen), baseline[:, chosen])
        if model is None:
            raise SkabError(f"{record.name} has too few rows to learn from")
        models[number], samples[number] = model, record.values[baseline_rows:, chosen]
    fleet = DepartureFleet()
    fleet.put(models, {})
    followed = fleet.follow(samples)
    return [followed[number].departed for number in range(len(records))]


def bench_skab(directory: Path) -> dict[str, Any]:
    """Everything `brain bench skab` prints; raises :class:`SkabError`."""
    records, free = load_records(directory)
    labels = [record.labels[BASELINE_ROWS:] for record in records]
    ours = departed(records)
    flags = {"ours": ours} | _others(records, ours)
    result: dict[str, Any] = {name: quality(labels, flagged).as_json() for name, flagged in flags.items()}
    for name, apart in (("ours_tuned_on", False), ("ours_kept_apart", True)):
        chosen = [number for number, record in enumerate(records) if record.kept_apart == apart]
        result[name] = (
            quality([labels[number] for number in chosen], [ours[number] for number in chosen]).as_json()
            if chosen
            else None
        )
    result["files"] = {
        "all": len(records),
        "tuned_on": sum(not record.kept_apart for record in records),
        "kept_apart": sum(record.kept_apart for record in records),
    }
    result["published"] = {
        name: {"f1": f1, "far": far, "mar": mar, "note": note} for name, (f1, far, mar, note) in PUBLISHED.items()
    }
    result["anomaly_free"] = _without_anomaly(free) if free is not None else None
    result["by_file"] = {
        record.name: quality([wanted], [got]).as_json()
        for record, wanted, got in zip(records, labels, ours, strict=True)
    }
    return result


def _without_anomaly(free: Record) -> dict[str, Any]:
    """False alarms on the long record, learnt on the usual baseline and on an hour."""
    found = {}
    for rows in (BASELINE_ROWS, LONG_BASELINE_ROWS):
        if len(free.values) > rows:
            (flagged,) = departed([free], rows)
            found[f"baseline_{rows}"] = {
                "rows": len(flagged),
                "episodes": episodes(flagged),
                "far": round(float(flagged.mean()), 4),
            }
    return found


def _others(records: list[Record], ours: list[Flags]) -> dict[str, list[Flags]]:
    """What simpler detectors say of the same rows, all signals, limits from the same baselines, nothing tuned."""
    random = np.random.default_rng(_SEED)
    rate = float(np.mean(np.concatenate(ours)))
    found: dict[str, list[Flags]] = {
        "always": [np.ones(len(flagged), bool) for flagged in ours],
        "random": [random.random(len(flagged)) < rate for flagged in ours],
        "isolation_forest": [],
        "t2": [],
        "kernel_regression": [],
    }
    fast = [
        number
        for number, key in enumerate(COLUMNS.values())
        if template_library()["pump_set"].signal(key).response == "fast"
    ]
    for record in records:
        baseline, rest = record.values[:BASELINE_ROWS], record.values[BASELINE_ROWS:]
        forest = IsolationForest(random_state=_SEED).fit(baseline)
        found["isolation_forest"].append(forest.predict(rest) < 0)
        found["t2"].append(_t2(baseline, rest))
        found["kernel_regression"].append(KernelDetector().fit(baseline[:, fast]).departed(rest[:, fast]))
    return found


def _t2(baseline: NDArray[np.float64], rest: NDArray[np.float64]) -> Flags:
    """Hotelling's T2 of the components that explain nine tenths, above the 99 % quantile of chi-squared."""
    mean, scale = baseline.mean(axis=0), np.maximum(baseline.std(axis=0), 1e-9)
    pca = PCA(n_components=0.9, svd_solver="full").fit((baseline - mean) / scale)
    scores = pca.transform((rest - mean) / scale)
    flagged: Flags = np.sum(scores**2 / pca.explained_variance_, axis=1) > chi2.ppf(0.99, scores.shape[1])
    return flagged
