"""`brain bench kpi` on records: an example worked by hand, and a public data set against a few lines of pandas."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

RECORDS = Path(__file__).parents[3] / "shared" / "datasets" / "azure_pdm"


def bench_kpi(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "brain", "bench", "kpi", "--data", str(data), "--json"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("BRAIN_")},
    )


def answer(data: Path) -> dict[str, Any]:
    done = bench_kpi(data)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_worked_example(tmp_path: Path) -> None:
    # Two machines seen for four hours each, machine 2 with an hour missing. Machine 1 fails at 02:00 in two parts at
    # once, which is one failure; one of the two is replaced then (unplanned), another part at 03:00 (planned).
    (tmp_path / "PdM_machines.csv").write_text("machineID,model,age\n1,a,3\n2,a,5\n")
    (tmp_path / "PdM_failures.csv").write_text(
        "datetime,machineID,failure\n2015-01-01 02:00:00,1,comp1\n2015-01-01 02:00:00,1,comp2\n"
    )
    (tmp_path / "PdM_maint.csv").write_text(
        "datetime,machineID,comp\n2015-01-01 02:00:00,1,comp1\n"
        "2015-01-01 03:00:00,1,comp4\n2014-12-01 06:00:00,2,comp1\n"
    )
    hours = [(machine, hour) for machine in (1, 2) for hour in range(4) if (machine, hour) != (2, 1)]
    rows = "".join(f"2015-01-01 0{hour}:00:00,{machine},1,1,1,1\n" for machine, hour in hours)
    (tmp_path / "PdM_telemetry.csv").write_text("datetime,machineID,volt,rotate,pressure,vibration\n" + rows)
    found = answer(tmp_path)
    # 4 + 3 hours, one failure.
    assert (found["failures"], found["mtbf_h"], found["exposure"]) == (1, 7, "telemetry")
    assert (found["maintenance_planned"], found["maintenance_unplanned"]) == (2, 1)
    one, two = found["per_machine"]
    assert (one["failures"], one["mtbf_h"], one["maintenance_unplanned"]) == (1, 4, 1)
    # No failure in 3 hours: at least 3 / 2.996 h at 95 %.
    assert two["mtbf_is_lower_bound"]
    assert two["mtbf_h"] == pytest.approx(3 / 2.9957, rel=1e-4)
    (tmp_path / "PdM_maint.csv").unlink()
    done = bench_kpi(tmp_path)
    assert done.returncode == 1
    assert "PdM_maint.csv is not there" in done.stderr


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the predictive-maintenance records are not on this machine")
@pytest.mark.parametrize("directory", [RECORDS, RECORDS / "telemetry_20x90d"], ids=lambda path: path.name)
def test_equals_pandas(directory: Path) -> None:
    key = ["machineID", "datetime"]
    tables = {
        name: pd.read_csv(directory / f"PdM_{name}.csv", parse_dates=["datetime"])
        for name in ("failures", "maint", "errors", "telemetry")
        if (directory / f"PdM_{name}.csv").is_file()
    }
    events = tables["failures"].drop_duplicates(key)
    if "telemetry" in tables:
        hours = tables["telemetry"].groupby("machineID").size()
    else:
        watched = pd.concat([tables["errors"].datetime, tables["failures"].datetime])
        end = pd.concat([watched, tables["maint"].datetime]).max()
        machines = pd.read_csv(directory / "PdM_machines.csv").machineID
        hours = pd.Series((end - watched.min()).total_seconds() / 3600, index=machines)
    jobs = tables["maint"].merge(
        tables["failures"].rename(columns={"failure": "comp"}), on=[*key, "comp"], how="left", indicator=True
    )
    unplanned = jobs[jobs._merge == "both"].groupby("machineID").size()
    per_machine = events.groupby("machineID").size()

    found = answer(directory)
    assert found["failures"] == len(events)
    assert found["mtbf_h"] == pytest.approx(hours.sum() / len(events))
    assert found["maintenance_unplanned"] == unplanned.sum()
    assert found["maintenance_planned"] == len(jobs) - unplanned.sum()
    assert {int(entry["machine"]) for entry in found["per_machine"]} == set(hours.index)
    for entry in found["per_machine"]:
        machine = int(entry["machine"])
        failures = per_machine.get(machine, 0)
        assert entry["failures"] == failures
        if failures:
            assert entry["mtbf_h"] == pytest.approx(hours[machine] / failures)
        assert entry["maintenance_unplanned"] == unplanned.get(machine, 0)
