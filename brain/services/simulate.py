"""``brain simulate``: the simulated plant, live over OPC UA and MQTT."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.services.lifetime import until_told_to_stop
from brain.settings import Settings
from simulators import LiveCounts, PlantPlan, PlantSimulation, run_live

PLAN_FILE = "plan.json"
STATE_FILE = "simulation.npz"


def load_plan(data_dir: Path) -> PlantPlan | None:
    """The plan of the simulated plant in this data directory, where there is one."""
    path = data_dir / PLAN_FILE
    return PlantPlan.from_json(path.read_bytes()) if path.is_file() else None


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(content)
    scratch.replace(path)


async def simulate(settings: Settings, opcua_url: str, mqtt_url: str) -> None:
    """Run the planned plant until told to stop; its state is kept for the next start."""
    plan = load_plan(settings.data_dir)
    if plan is None:
        raise Failure(f"{settings.data_dir / PLAN_FILE} is not there: `brain demo` makes it")
    state = settings.data_dir / STATE_FILE
    simulation = PlantSimulation.from_bytes(plan, state.read_bytes()) if state.is_file() else PlantSimulation(plan)
    run_directory = RunDirectory(settings.data_dir)
    run_directory.prepare()
    before = LiveCounts(**run_directory.read("simulate").get("counts", {}))

    def report(counts: LiveCounts) -> None:
        run_directory.write("simulate", {"counts": asdict(before.plus(counts))})
        replace_file(state, simulation.to_bytes())

    told = until_told_to_stop()
    await asyncio.sleep(0)
    await run_live(simulation, opcua_url=opcua_url, mqtt_url=mqtt_url, report=report, until=told)
