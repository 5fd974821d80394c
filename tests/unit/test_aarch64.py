"""A gateway is a small computer with an ARM processor: nothing that it is given has to be compiled there."""

import importlib.metadata
import json
import subprocess
import sys

import pytest
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.aarch64 import PLATFORMS, IndexAway, ask_index, locked_packages, recorded_wheels

EDGE_MODULES = """
import json, sys
import brain.cli, brain.commands.edge, brain.doctor, brain.services.edge
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def packages_of_the_edge() -> set[str]:
    """What `brain edge` and `brain doctor` beside it load, as packages of the lock file."""
    done = subprocess.run([sys.executable, "-c", EDGE_MODULES], capture_output=True, check=True, text=True, timeout=60)
    owners = importlib.metadata.packages_distributions()
    names = {canonicalize_name(owner) for module in json.loads(done.stdout) for owner in owners.get(module, ())}
    return names & locked_packages().keys()


def test_every_package_has_a_wheel_for_it_among_the_hashes_of_the_lock_file() -> None:
    locked = locked_packages()
    found = {}
    for file, digest in recorded_wheels().items():
        name, _, _, tags = parse_wheel_filename(file)
        assert digest in locked[name].hashes, f"{file} is not what the lock file has: run `make lock`"
        assert any(tag.platform in {"any", *PLATFORMS} for tag in tags), file
        assert any(tag.interpreter in {"py3", "cp311"} or tag.abi == "abi3" for tag in tags), file
        found[name] = file
    assert locked.keys() - found.keys() == set(), "no wheel for ARM is known: run `make lock`"


def test_what_a_gateway_loads_is_among_them() -> None:
    packages = packages_of_the_edge()
    assert packages >= {"numpy", "msgspec", "paho-mqtt", "asyncua", "cryptography"}
    recorded = {parse_wheel_filename(file)[0] for file in recorded_wheels()}
    assert packages <= recorded


@pytest.mark.network
@pytest.mark.timeout(300)
def test_the_index_has_what_was_recorded_of_the_edge() -> None:
    locked = locked_packages()
    try:
        found = ask_index({name: locked[name] for name in packages_of_the_edge()})
    except IndexAway:
        pytest.skip("the package index cannot be reached from here")
    recorded = recorded_wheels()
    assert {file: recorded.get(file) for file in found} == found
