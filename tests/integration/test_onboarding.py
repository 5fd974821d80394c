"""From a real server or broker to a proposal, registered machines and settings that collect."""

import asyncio
import json
import time
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from brain.application import source_settings
from brain.cli import app
from brain.commands.walk import walk
from brain.discovery import discover
from brain.embedded_broker import EmbeddedBroker
from brain.equipment import read_equipment, write_equipment
from brain.failure import Failure
from brain.installation import machine_specs, register
from brain.settings import Settings
from collectors import Mapping, OpcUaCollector, OpcUaSource, try_mapping
from collectors.opcua_certificates import CertificateStore
from historian import READING, Database, PartitionKeeper, ensure_tenant, load_directory, store_readings
from historian.latest import LatestKeeper
from onboarding import proposal_of, propose, read_proposal, write_proposal
from plant import Batch, MachineEntry, MachineSpec, SignalDirectory, concatenate, template_library
from simulators.opcua_server import PlantServer
from tests.integration.conftest import NOW_US, SITE, Device, OpcUaPlant, RecordingSink, free_port, running, until

pytestmark = pytest.mark.integration


async def test_discovered_tags_are_proposed_applied_and_collected(
    plant: OpcUaPlant, sink: RecordingSink, tmp_path: Path
) -> None:
    await plant.start(M1=("Strom_L1", "Strom_L2", "Strom_L3", "running", "text", "list"), M2=("Strom_L1",))
    await plant.measure(NOW_US, 12.5, "Strom_L1")
    settings = Settings(data_dir=tmp_path)
    tags = await discover(settings, plant.url, (), 0)
    assert len(tags) == 6  # an array is no tag
    assert {tag.data_type for tag in tags if "Strom" in tag.name} == {"number"}
    assert next(tag for tag in tags if tag.name.endswith("M1/Strom_L1")).samples == (12.5,)
    items = propose(tags)
    found = {(item.machine, item.signal) for item in items if item.signal is not None}
    assert found == {
        *(("M1", key) for key in ("current_u", "current_v", "current_w", "running")),
        ("M2", "current_u"),
    }
    proposal = proposal_of(items, plant.url, SITE)
    for item in proposal.items:
        if item.signal == "current_u":
            item.factor, item.offset = 2.0, 1.0
    confirmed = read_proposal(write_proposal(proposal, toml=True), toml=True)
    source = OpcUaSource.model_validate(tomllib.loads(source_settings(confirmed, "press"))["opcua"][0])
    assert all(node.node.startswith("nsu=urn:test:plant;") for node in source.nodes)
    directory = SignalDirectory(
        [MachineEntry(SITE, "line-1", "M1", "motor", {"current_u": 1, "current_v": 2, "current_w": 3, "running": 4})]
    )
    collector = OpcUaCollector(
        source, lambda: directory, sink, lambda: time.time_ns() // 1000, CertificateStore(tmp_path / "pki"), tmp_path
    )
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector connects")
        await plant.measure(NOW_US + 1000, 20.0, "Strom_L1")
        await until(lambda: 41.0 in sink.values(1), "the value arrives, converted")


async def test_a_simulated_plant_is_proposed_rightly(tmp_path: Path) -> None:
    specs = [MachineSpec("works", "line-1", f"M{number}", "", "motor") for number in range(3)]
    url = f"opc.tcp://127.0.0.1:{free_port()}/plant"
    async with PlantServer.open(url, specs, [0, 1, 2]):
        tags = await discover(Settings(data_dir=tmp_path), url, (), 0)
    items = propose(tags)
    served = {signal.key for signal in template_library()["motor"].signals}
    assert items
    for tag, item in zip(tags, items, strict=True):
        _, _, machine, signal = tag.name.split("/")
        assert (item.machine, item.template, item.signal, item.ask) == (machine, "motor", signal, False), item
        assert (item.factor, item.offset) == (1.0, 0.0)
        assert signal in served


async def test_json_on_a_broker_becomes_a_mapping(mosquitto: EmbeddedBroker, device: Device, tmp_path: Path) -> None:
    payload = {"strom": {"L1": 12000, "L2": 12100, "L3": 12200}, "T_Wicklung_C": 71.5, "id": "x"}
    listening = asyncio.create_task(discover(Settings(data_dir=tmp_path), mosquitto.url, ("factory/#",), 1.5))
    await asyncio.sleep(0.5)
    await device.publish("factory/works/M7", json.dumps(payload).encode(), b"no json", b'{"strom": {"L1": 1.5}}')
    tags = await listening
    items = propose(tags)
    assert {(item.machine, item.signal) for item in items if item.signal is not None} == {
        ("M7", key) for key in ("current_u", "current_v", "current_w", "winding_temperature")
    }
    confirmed = proposal_of(items, mosquitto.url, "works")
    table = tomllib.loads(source_settings(confirmed, "box"))["mqtt"][0]["mappings"][0]
    trial = try_mapping(
        Mapping.model_validate(table), "factory/works/M7", json.dumps(payload).encode(), None, received_at=NOW_US
    )
    assert {(one.machine, one.signal, one.value) for one in trial.readings} == {
        ("M7", "current_u", 12000.0),
        ("M7", "current_v", 12100.0),
        ("M7", "current_w", 12200.0),
        ("M7", "winding_temperature", 71.5),
    }


async def test_what_cannot_be_reached_is_said(tmp_path: Path, mosquitto: EmbeddedBroker) -> None:
    settings = Settings(data_dir=tmp_path)
    for url in (f"opc.tcp://127.0.0.1:{free_port()}", f"mqtt://127.0.0.1:{free_port()}"):
        with pytest.raises(Failure, match="check address"):
            await discover(settings, url, (), 0.1)
    with pytest.raises(Failure, match="shows no tags"):
        await discover(settings, mosquitto.url, ("nothing/here",), 0.3)
    with pytest.raises(Failure, match="must look like"):
        await discover(settings, "http://127.0.0.1", (), 0.1)


def applied(*words: str, database_url: str, data_dir: Path) -> Any:
    return CliRunner().invoke(
        app, ["onboard", "apply", *words, "--data-dir", str(data_dir)], env={"BRAIN_DATABASE_URL": database_url}
    )


async def test_apply_registers_what_is_confirmed_and_asks_before_it_changes(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "proposal.json"
    content = {
        "url": "opc.tcp://192.0.2.1:4840",
        "machines": [{"machine": "M1", "template": "motor", "site": "works", "nameplate": {"rated_power": 11.0}}],
        "items": [
            {"name": "a", "machine": "M1", "signal": "current_u", "factor": 0.001, "source": {"node": "nsu=u;s=a"}},
            {"name": "b", "machine": "M1", "ask": True, "source": {"node": "nsu=u;s=b"}},
        ],
    }
    file.write_text(json.dumps(content))
    first = await asyncio.to_thread(applied, str(file), "--json", database_url=database_url, data_dir=tmp_path)
    assert first.exit_code == 0, first.output
    told = json.loads(first.output.splitlines()[-1])
    assert told["machines"] == ["works/M1"]
    assert told["left_out"] == ["b"]
    assert tomllib.loads(told["settings"])["opcua"][0]["nodes"] == [
        {"node": "nsu=u;s=a", "site": "works", "machine": "M1", "signal": "current_u", "factor": 0.001}
    ]
    again = await asyncio.to_thread(applied, str(file), database_url=database_url, data_dir=tmp_path)
    assert isinstance(again.exception, Failure)
    assert "nothing was changed" in str(again.exception)
    allowed = await asyncio.to_thread(applied, str(file), "--yes", database_url=database_url, data_dir=tmp_path)
    assert allowed.exit_code == 0
    settings = Settings(data_dir=tmp_path)
    (spec,) = await machine_specs(settings, database_url)
    assert (spec.site, spec.machine, spec.nameplate["rated_power"]) == ("works", "M1", 11.0)


async def test_equipment_lists_come_back_as_they_went(database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    specs = [
        MachineSpec(
            "works", "line-1", "=M1", "1号泵", "motor", "hall",
            {"rated_power": 11.0, "duty": "cyclic", "bus": "MCC-1"}, 350.0,
            datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "Works", "Asia/Shanghai", "CNY",
        ),
        MachineSpec("works", "line-1", "P1", "P1", "pump_set", site_name="Works", time_zone="Asia/Shanghai"),
    ]  # fmt: skip
    await register(settings, database_url, specs)
    stored = await machine_specs(settings, database_url)
    for name in ("machines.xlsx", "machines.csv"):
        write_equipment(tmp_path / name, stored)
        found = read_equipment(tmp_path / name)
        assert found.errors == []
        assert found.machines == stored
    # A list that says nothing of the site leaves it as it is.
    (tmp_path / "more.csv").write_text("site,line,machine,template\nworks,line-2,M9,motor\n")
    (fresh,) = read_equipment(tmp_path / "more.csv", stored).machines
    assert (fresh.site_name, fresh.time_zone, fresh.name) == ("Works", "Asia/Shanghai", "M9")


def in_and_out(*words: str, database_url: str, data_dir: Path) -> Any:
    return CliRunner().invoke(
        app, ["onboard", *words, "--data-dir", str(data_dir)], env={"BRAIN_DATABASE_URL": database_url}
    )


async def test_import_takes_all_rows_or_none(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    options = {"database_url": database_url, "data_dir": tmp_path}
    file.write_text("site,line,machine,template\nworks,l,M1,motor\nworks,l,M2,moter\n,l,M3,motor\n")
    refused = await asyncio.to_thread(in_and_out, "import", str(file), **options)
    assert isinstance(refused.exception, Failure)
    assert "2 errors, nothing was imported" in str(refused.exception)
    assert "row 3, column template: 'moter' is not known" in refused.output
    assert "row 4, column site: is empty" in refused.output
    assert await machine_specs(Settings(data_dir=tmp_path), database_url) == []
    file.write_text("site,line,machine,template,rated_power [W]\nworks,l,M1,motor,7500\n")
    dry = await asyncio.to_thread(in_and_out, "import", str(file), "--dry-run", **options)
    assert "1 machines would be registered" in dry.output
    assert await machine_specs(Settings(data_dir=tmp_path), database_url) == []
    done = await asyncio.to_thread(in_and_out, "import", str(file), **options)
    assert done.exit_code == 0, done.output
    (spec,) = await machine_specs(Settings(data_dir=tmp_path), database_url)
    assert spec.nameplate["rated_power"] == 7.5
    out = tmp_path / "out.xlsx"
    assert (await asyncio.to_thread(in_and_out, "export", str(out), **options)).exit_code == 0
    (told,) = read_equipment(out).machines
    # A bus that is not known is an empty cell, and that the template's default.
    assert replace(told, nameplate=template_library()["motor"].complete_nameplate(told.nameplate)) == spec
    again = await asyncio.to_thread(in_and_out, "export", str(out), **options)
    assert isinstance(again.exception, Failure)


async def test_check_says_what_is_wrong(database: Database, database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    await register(settings, database_url, [MachineSpec("works", "l", "M1", "M1", "motor")])
    nothing = await asyncio.to_thread(
        in_and_out, "check", "works/M1", "--json", database_url=database_url, data_dir=tmp_path
    )
    assert nothing.exit_code == 1
    assert "nothing has ever arrived" in json.loads(nothing.output.splitlines()[-1])["items"][0]["found"]
    async with database.connection() as connection:
        tenant_id = await ensure_tenant(connection, "default", "default")
        ids = (await load_directory(connection, tenant_id)).machine("works", "M1").signal_ids
        now = time.time_ns() // 1000
        times = [now - second * 1_000_000 for second in range(90, 0, -1)]
        values = {"current_u": (28_000.0, 1e-3), "winding_temperature": (345.0, 1e-3), "running": (1.0, 0.0)}
        batch = concatenate(
            [
                Batch.of_lists(times, [ids[key]] * 90, [value + step * n for n in range(90)], [0] * 90)
                for key, (value, step) in values.items()
            ]
        )
        await PartitionKeeper().ensure(connection, READING, times[0], times[-1])
        await store_readings(connection, batch)
        keeper = LatestKeeper()
        await keeper.load(connection)
        async with connection.transaction():
            await keeper.flush(connection)
    found = await asyncio.to_thread(
        in_and_out, "check", "works/M1", "--json", database_url=database_url, data_dir=tmp_path
    )
    told = json.loads(found.output.splitlines()[-1])
    problems = {(item["check"], item["signal"]) for item in told["items"] if item["level"] == "problem"}
    assert problems == {("range", "current_u"), ("unit", "current_u"), ("unit", "winding_temperature")}
    unknown = await asyncio.to_thread(in_and_out, "check", "works/M9", database_url=database_url, data_dir=tmp_path)
    assert isinstance(unknown.exception, Failure)


async def test_the_walk_leads_from_an_address_to_a_registered_machine(
    plant: OpcUaPlant, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant.start(M1=("Strom_L1", "Strom_L2", "Lagertemp"))
    monkeypatch.chdir(tmp_path)
    walking = typer.Typer()
    walking.command()(walk)
    # Address, seconds, site, line; the bearing is at the drive end; two files; register; do not check.
    said = [plant.url, "0", "works", "line-9", "1", "p.toml", "y", "s.toml", "n"]
    result = await asyncio.to_thread(
        CliRunner().invoke,
        walking,
        [],
        input="\n".join(said) + "\n",
        env={"BRAIN_DATABASE_URL": database_url, "BRAIN_DATA_DIR": str(tmp_path)},
    )
    assert result.exit_code == 0, (result.output, result.exception)
    (spec,) = await machine_specs(Settings(data_dir=tmp_path), database_url)
    assert (spec.site, spec.line, spec.machine, spec.template) == ("works", "line-9", "M1", "motor")
    (table,) = tomllib.loads((tmp_path / "s.toml").read_text())["opcua"]
    assert {node["signal"] for node in table["nodes"]} == {"current_u", "current_v", "bearing_temperature_de"}
