"""`brain bench skab`: its counts are right, its split is fixed, and it finds what is plain to see."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brain.bench.skab import BASELINE_ROWS, COLUMNS, PUBLISHED, Record, SkabError, bench_skab
from brain.bench.verdicts import episodes, quality

REAL = Path(__file__).parents[4] / "shared" / "datasets" / "skab"
EVENT = slice(560, 800)


def write(path: Path, seed: int, *, labelled: bool = True, rows: int = 900) -> None:
    """A file of the benchmark's form, made up: flow falls while the event lasts; temperatures drift."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 1, (rows, len(COLUMNS))) * [0.01, 0.01, 0.3, 0.3, 0.05, 0.02, 10, 0.4]
    values += [0.2, 0.3, 2, 0.1, 70, 25, 230, 32]
    values[:, 4] += np.linspace(0, 5, rows)
    labels = np.zeros(rows)
    labels[EVENT] = labelled
    values[EVENT, -1] -= 3.0 * labelled
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ["datetime", *COLUMNS, *(["anomaly", "changepoint"] if labelled else [])]
    lines = [";".join(head)]
    for number, (row, label) in enumerate(zip(values, labels, strict=True)):
        cells = [f"2026-11-20 08:{number // 60:02d}:{number % 60:02d}", *(f"{value:.6g}" for value in row)]
        lines.append(";".join(cells + ([f"{label:.1f}", "0.0"] if labelled else [])))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("skab")
    for number, name in enumerate(("valve1/0", "valve1/1", "valve2/3", "other/2", "other/5")):
        write(made / f"{name}.csv", number)
    write(made / "anomaly-free" / "anomaly-free.csv", 9, labelled=False, rows=1200)
    return made


def test_the_plain_event_is_found_and_simple_rules_stand_beside_it(folder: Path) -> None:
    result = bench_skab(folder)
    ours = result["ours"]
    assert ours["f1"] > 0.93
    assert ours["far"] < 0.1
    assert ours["missed_events"] == 0
    assert 0 <= ours["delay_rows"] < 15
    assert result["always"]["far"] == 1
    assert result["always"]["mar"] == 0
    assert abs(result["random"]["mcc"]) < 0.1
    assert {"isolation_forest", "t2", "kernel_regression"} < set(result)
    assert result["files"] == {"all": 5, "tuned_on": 2, "kept_apart": 3}
    assert result["ours_kept_apart"]["events"] == 3
    assert result["anomaly_free"]["baseline_400"]["episodes"] == 0
    assert set(result["published"]) == set(PUBLISHED)


def test_the_command_prints_one_object_as_its_last_line(folder: Path, tmp_path: Path) -> None:
    def brain(data: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "brain", "bench", "skab", "--data", str(data), "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    done = brain(folder)
    assert done.returncode == 0, done.stderr
    assert 0 <= json.loads(done.stdout.splitlines()[-1])["ours"]["far"] < 0.1
    assert "published" in done.stdout
    failed = brain(tmp_path)
    assert failed.returncode == 1
    assert "no labelled file" in failed.stderr


def test_the_split_is_every_second_file() -> None:
    def apart(name: str) -> bool:
        return Record(name, np.empty((0, 8)), np.empty(0, bool)).kept_apart

    assert [apart(f"valve1/{number}") for number in range(4)] == [False, True, False, True]
    assert [apart(f"other/{number}") for number in range(1, 5)] == [False, True, False, True]


def test_a_part_of_the_set_will_do_and_a_wrong_folder_is_said_to_be_one(tmp_path: Path) -> None:
    write(tmp_path / "valve2" / "1.csv", 1)
    result = bench_skab(tmp_path)
    assert result["ours_tuned_on"] is None
    assert result["anomaly_free"] is None
    with pytest.raises(SkabError, match="holds no labelled file"):
        bench_skab(tmp_path / "valve2")
    (tmp_path / "valve2" / "2.csv").write_text("a;b\n1;2\n")
    with pytest.raises(SkabError, match=r"2\.csv is not a file of the benchmark"):
        bench_skab(tmp_path)


def test_quality_counts_samples() -> None:
    labels = [np.array([0, 0, 1, 1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)]
    flagged = [np.array([1, 0, 0, 1, 1, 1, 0], bool), np.array([0, 0, 0, 0], bool)]
    found = quality(labels, flagged)
    assert (found.f1, found.far, found.mar) == pytest.approx((2 * 2 / (2 * 2 + 2 + 3), 2 / 6, 3 / 5))
    assert (found.far_before, found.far_after) == pytest.approx((1 / 3, 1 / 3))
    assert (found.delay_rows, found.events, found.missed_events) == (1.0, 2, 1)
    assert found.mcc == pytest.approx((2 * 4 - 2 * 3) / np.sqrt(4 * 5 * 6 * 7))
    assert episodes(np.array([1, 0, 1, 1, 0], bool)) == 2


@pytest.mark.skipif(not REAL.is_dir(), reason="the Skoltech Anomaly Benchmark is not on this machine")
def test_what_the_documentation_says_of_the_files_tuned_on_is_so() -> None:
    found = bench_skab(REAL)["ours_tuned_on"]
    assert found["f1"] == pytest.approx(0.889, abs=0.002)
    assert found["far"] == pytest.approx(0.091, abs=0.002)
    assert BASELINE_ROWS == 400
