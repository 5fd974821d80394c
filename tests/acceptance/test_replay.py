"""A recording of a real pump goes in over MQTT and comes out of the tables; its labelled anomaly is found."""

import csv
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brain.bench.skab import COLUMNS

from .conftest import BRAIN, running_demo

RECORDING = Path(__file__).parents[3] / "shared" / "datasets" / "skab" / "valve1" / "0.csv"


@pytest.mark.skipif(not RECORDING.is_file(), reason="the Skoltech Anomaly Benchmark is not on this machine")
@pytest.mark.timeout(600)
def test_every_row_of_a_recording_is_stored_and_its_anomaly_found(tmp_path: Path) -> None:
    with RECORDING.open() as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    times = [datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC) for row in rows]
    labelled = [time for time, row in zip(times, rows, strict=True) if float(row["anomaly"])]
    # The recording is from 2020: a plant that keeps its readings that long must say so.
    retention = (datetime.now(UTC) - times[0]).days + 30

    with running_demo(
        tmp_path / "demo", "--machines", "4", environment={"BRAIN_RETENTION_DAYS": str(retention)}
    ) as demo:
        demo.log_in()
        done = subprocess.run(
            [
                *(str(BRAIN), "replay", str(RECORDING), "--data-dir", str(demo.data_dir)),
                *("--site", "demo-plant", "--machine", "rig-1", "--template", "pump_set"),
                *("--map", ",".join(f"{column}={signal}" for column, signal in COLUMNS.items())),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rig = next(machine for machine in demo.items("machines") if machine["code"] == "rig-1")

        def stored(signal: str) -> list[tuple[datetime, float]]:
            text = demo.client.get(
                "/api/v1/export/readings",
                params={
                    "machine": rig["id"],
                    "signal": signal,
                    "start": times[0].isoformat(),
                    "end": (times[-1] + timedelta(seconds=1)).isoformat(),
                    "format": "csv",
                },
            ).text
            return [
                (datetime.fromisoformat(line["time"]), float(line["value"]))
                for line in csv.DictReader(text.splitlines())
            ]

        demo.wait(lambda: len(stored("current")) == len(rows), "the last row to arrive", 60)
        for column, signal in COLUMNS.items():
            sent = [(time, float(row[column])) for time, row in zip(times, rows, strict=True)]
            assert stored(signal) == sorted(sent), signal

        def covered() -> timedelta:
            """How much of the labelled anomaly lies inside findings."""
            total = timedelta(0)
            for finding in demo.items("findings", machine=rig["id"]):
                began = datetime.fromisoformat(finding["opened_at"])
                ended = datetime.fromisoformat(finding["closed_at"]) if finding["closed_at"] else times[-1]
                total += max(timedelta(0), min(ended, labelled[-1]) - max(began, labelled[0]))
            return total

        half = (labelled[-1] - labelled[0]) / 2
        demo.wait(lambda: covered() > half, f"findings over most of {labelled[0]} .. {labelled[-1]}", 90)
        demo.stop()
