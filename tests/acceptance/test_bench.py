"""`brain bench` runs with small numbers and says what its readers rely on."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


def bench(*arguments: str) -> dict[str, Any]:
    """What `brain bench` says in its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "brain", "bench", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("BRAIN_")},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_bench_storage_weighs_readings() -> None:
    result = bench("storage", "--machines", "2", "--hours", "1")
    # 96 bytes is what a row takes with its index; a closed hour takes a tenth at most.
    assert 0 < result["bytes_compressed"] < result["bytes_hot"] / 10
    assert result["bytes_float4"] < result["bytes_float8"]
    assert result["by_exception"]["share_reported"] < 1


def test_bench_queries_find_everything_by_index() -> None:
    result = bench("queries", "--machines", "200", "--days", "21", "--calls", "3", "--rate", "2000")
    assert result["sequential_scans"] == {}
    assert result["rows"]["reading"] > 0
    for name in ("fleet", "trend_day", "kpis_quarter", "latest_all"):
        assert result["queries"][name]["p95_ms"] > 0
        assert result["queries"][name]["p95_under_load_ms"] > 0


def test_bench_score_beats_one_object_a_machine() -> None:
    result = bench("score", "--machines", "500", "--seconds", "5")
    assert result["machines"] == 500
    assert result["ratio_to_isolation_forest_objects"] > result["ratio_to_pca_objects"] > 1
    assert result["machines_per_s"] > 0


def test_bench_ingest_loses_and_doubles_nothing() -> None:
    result = bench(
        *("ingest", "--seconds", "3", "--machines", "300", "--rate", "5000"),
        *("--only", "fast,paced,writer,gateway,workers,opcua"),
    )
    assert (result["lost"], result["doubled"]) == (0, 0)
    for key in ("committed_per_s", "writer_ratio_to_copy", "p99_latency_s", "cpu_s_per_million"):
        assert result[key] > 0, key
    # Counts and ratios, never a clock: a slow machine is no failure.
    assert result["paced"]["stored"] == result["paced"]["sent"] > 0
    assert result["gateway"]["stored"] == result["gateway"]["sent"] > 0
    assert set(result["fast"]["cpu_s_per_million"]) == {"load", "broker", "collector", "writer", "database"}
    assert result["opcua"]["stored"] == result["opcua"]["sent"] > 0
