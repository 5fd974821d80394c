"""Which wheels of the lock file a gateway with a 64-bit ARM processor takes, asked of the package index through pip.

``python -m tests.aarch64`` writes them to tests/data/aarch64_wheels.txt. The lock file has hashes, no names of files:
what cannot be seen from it is looked up once, then held against its hashes (``make lock``).
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.txt"
WHEELS = ROOT / "tests" / "data" / "aarch64_wheels.txt"
# Debian 12 and what is newer; the same tags as deploy/Dockerfile's base image takes.
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
_GATEWAY = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "aarch64",
    "python_version": "3.11",
    "python_full_version": "3.11.15",
}


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of the lock file: its lines there, and the SHA-256 of the files that it may be installed from."""

    lines: str
    hashes: frozenset[str]


class IndexAway(Exception):
    """The package index cannot be reached."""


def locked_packages() -> dict[str, Locked]:
    """What the lock file installs on a gateway, by canonical name."""
    found = {}
    for lines in re.split(r"\n(?=[A-Za-z0-9])", LOCK.read_text(encoding="utf-8")):
        requirement = Requirement(lines.split("\\\n")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(_GATEWAY):
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", lines))
            found[canonicalize_name(requirement.name)] = Locked(lines, hashes)
    return found


def recorded_wheels() -> dict[str, str]:
    """Hash by name of file, as it was recorded."""
    lines = WHEELS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def ask_index(packages: Mapping[str, Locked]) -> dict[str, str]:
    """Hash by name of file of what pip would install on a gateway; nothing is installed.

    Raises :class:`IndexAway`, and ``ValueError`` with pip's words where a package has no wheel among its hashes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report, wanted = Path(scratch) / "report.json", Path(scratch) / "requirements.txt"
        # The marker was judged here: pip would judge it by the computer it runs on.
        wanted.write_text("\n".join(re.sub(r" ;[^\\]*\\\n", " \\\\\n", p.lines) for p in packages.values()) + "\n")
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--require-hashes", "--only-binary=:all:"]
        options += ["--python-version", "3.11", "--implementation", "cp", *(f"--platform={name}" for name in PLATFORMS)]
        options += ["--target", scratch, "--report", str(report), "--requirement", str(wanted), "--retries", "1"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            if "connection" in done.stderr.lower():
                raise IndexAway
            raise ValueError(done.stderr)
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    downloads = [entry["download_info"] for entry in installs]
    return {entry["url"].rpartition("/")[2]: entry["archive_info"]["hashes"]["sha256"] for entry in downloads}


if __name__ == "__main__":
    wheels = ask_index(locked_packages())
    WHEELS.write_text("".join(f"{wheels[name]}  {name}\n" for name in sorted(wheels)), encoding="utf-8")
    sys.stdout.write(f"{len(wheels)} wheels, written to {WHEELS.relative_to(ROOT)}\n")
