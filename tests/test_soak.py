"""A daemon that has little to do stays as small as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HOURS = os.environ.get("BREAKEVEN_SOAK_HOURS", "8")


def test_memory_and_file_handles_stay_flat() -> None:
    """After a fourth of the simulated hours, looks included, neither grows any more."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.idle", "--hours", HOURS],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "CPU of an hour: " in done.stdout, done.stderr
    assert (0, "") == (done.returncode, done.stderr)
