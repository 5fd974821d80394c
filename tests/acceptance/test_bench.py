"""`brain bench ingest` runs with small numbers and says what its readers rely on."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def test_bench_ingest_loses_and_doubles_nothing() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "brain", "bench", "ingest", "--seconds", "3", "--machines", "300", "--json"),
            *("--only", "fast,paced,writer,gateway,workers,opcua", "--rate", "5000"),
        ],
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("BRAIN_")},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["lost"], result["doubled"]) == (0, 0)
    for key in ("committed_per_s", "writer_ratio_to_copy", "p99_latency_s", "cpu_s_per_million"):
        assert result[key] > 0, key
    # Counts and ratios, never a clock: a slow machine is no failure.
    assert result["paced"]["stored"] == result["paced"]["sent"] > 0
    assert result["gateway"]["stored"] == result["gateway"]["sent"] > 0
    assert set(result["fast"]["cpu_s_per_million"]) == {"load", "broker", "collector", "writer", "database"}
    assert result["opcua"]["stored"] == result["opcua"]["sent"] > 0
