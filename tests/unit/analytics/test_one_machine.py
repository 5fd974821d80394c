"""The script that takes one machine from raw readings to a diagnosis says what the simulator broke."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "docs" / "one_machine.py"


def test_it_names_the_fault_with_its_evidence() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    first = next(line for line in done.stdout.splitlines() if "%" in line)
    assert "Cooling blocked" in first
    assert "Winding hotter than its load and the ambient explain" in done.stdout
    assert "Act within" in done.stdout
    wrong = subprocess.run(
        [sys.executable, str(SCRIPT), "--mode", "rust"], capture_output=True, text=True, timeout=120, check=False
    )
    assert wrong.returncode == 2
    assert "no machine has rust" in wrong.stderr
