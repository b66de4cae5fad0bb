# ruff: noqa: S603 - only commands of our own are run
"""How soon a prompt answers: questions as whole processes, beside `python -c pass`.

`python -m benchmarks.prompt [--runs N]` makes a book of the curated history in a folder of its own
and prints medians of interleaved runs: CPU seconds (user and system) and multiples of bare Python.
A command that fails ends it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.desk import OURS, as_installed

WORKLOAD = "a 70B model of our own against Luna"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import sqlalchemy": ["-c", "import sqlalchemy"],
    "--help": ["-m", "breakeven", "--help"],
    "prices gpt-4": ["-m", "breakeven", "prices", "gpt-4"],
    "history gpt-4o": ["-m", "breakeven", "history", "gpt-4o"],
    "ratios": ["-m", "breakeven", "ratios"],
    "explain": ["-m", "breakeven", "explain", WORKLOAD],
}


def main() -> None:
    """Print one line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    chosen = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        _make_book(folder)
        spent = _measured(folder, chosen.runs)
    bare = median(spent["python -c pass"])
    sys.stdout.write("| command | CPU s | x bare Python |\n|---|---|---|\n")
    for command, seconds in spent.items():
        middle = median(seconds)
        sys.stdout.write(f"| `{command}` | {middle:.3f} | {middle / bare:.1f} |\n")


def _make_book(folder: Path) -> None:
    for words in (["init"], ["import", "curated"]):
        subprocess.run(
            [sys.executable, "-m", "breakeven", *words],
            cwd=folder,
            env=as_installed() | OURS,
            check=True,
            capture_output=True,
        )


def _measured(folder: Path, runs: int) -> dict[str, list[float]]:
    """CPU seconds of each run; in turn, since machines drift; the first, a warm-up, isn't kept."""
    spent: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for run in range(1 + runs):
        for command, arguments in COMMANDS.items():
            seconds = _seconds_of(folder, arguments)
            if run:
                spent[command].append(seconds)
    return spent


def _seconds_of(folder: Path, arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=as_installed() | OURS,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
