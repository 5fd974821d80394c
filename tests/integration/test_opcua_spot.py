"""`brain collect --once`: everything a server shows, once; nothing on it can make that fail."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from asyncua import Server, ua

from .conftest import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

NAMESPACE = "urn:test:machine"
MEASURED = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest_asyncio.fixture
async def machine() -> AsyncIterator[str]:
    """URL of a server with what real ones have: units, arrays, structures, bad values, nodes in two folders."""
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/machine"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    press = await server.nodes.objects.add_folder(index, "press")
    current = await press.add_variable(ua.NodeId("press.I", index), ua.QualifiedName("I_L1", index), 12.5)
    await current.write_value(ua.DataValue(ua.Variant(12.5), ua.StatusCode(), MEASURED, MEASURED))
    unit = ua.EUInformation(NAMESPACE, 1, ua.LocalizedText("A"), ua.LocalizedText("ampere"))
    await current.add_property(index, "EngineeringUnits", unit)
    broken = await press.add_variable(ua.NodeId("press.T", index), ua.QualifiedName("T_W", index), 0.0)
    await broken.write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure)))
    await press.add_variable(ua.NodeId("press.run", index), ua.QualifiedName("running", index), True)
    await press.add_variable(ua.NodeId("press.name", index), ua.QualifiedName("name", index), "Presse 3 电机")
    await press.add_variable(ua.NodeId("press.wave", index), ua.QualifiedName("waveform", index), [1.0, 2.0])
    await press.add_variable(ua.NodeId("press.unit", index), ua.QualifiedName("range", index), ua.Range(0.0, 9.0))
    inner = await press.add_folder(index, "drive")
    await inner.add_reference(current, ua.ObjectIds.Organizes)  # in two folders
    await inner.add_variable(ua.NodeId("press.n", index), ua.QualifiedName("speed", index), 1470)
    await server.start()
    yield url
    await server.stop()


async def once(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "brain", "collect", "--once", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_every_variable_is_read_once(machine: str) -> None:
    code, out, err = await once(machine, "--json")
    assert code == 0, err
    assert "I_L1" in out.splitlines()[3]
    answer = json.loads(out.splitlines()[-1])
    by_name = {item["name"]: item for item in answer["items"]}
    names = ("I_L1", "T_W", "drive/speed", "name", "range", "running", "waveform")
    assert list(by_name) == [f"press/{name}" for name in names]
    assert by_name["press/I_L1"] == {
        "name": "press/I_L1",
        "node": f"nsu={NAMESPACE};s=press.I",
        "value": 12.5,
        "kind": "number",
        "unit": "A",
        "quality": "good",
        "source_time": MEASURED.isoformat(),
    }
    assert (by_name["press/T_W"]["quality"], by_name["press/T_W"]["value"]) == ("bad", None)
    assert by_name["press/running"]["value"] is True
    assert by_name["press/name"]["value"] == "Presse 3 电机"
    assert (by_name["press/waveform"]["kind"], by_name["press/range"]["kind"]) == ("array", "structure")
    assert answer["skipped"] == 2


async def test_a_server_that_is_not_there_is_one_line_and_what_to_do() -> None:
    code, out, err = await once(f"opc.tcp://127.0.0.1:{free_port()}/nothing")
    assert code == 1
    assert "does not take us" in err
    assert "check address" in err
    assert "Traceback" not in out + err
    code, _, err = await once("http://127.0.0.1")
    assert code == 2
    assert "opc.tcp://" in err
