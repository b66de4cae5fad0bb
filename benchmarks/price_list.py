"""How fast whole price lists are, beside what else reads them: `python -m benchmarks.price_list`.

Makes two days' lists (benchmarks/price_list_files.py), runs breakeven and its peers as whole
processes in turn, several times, and prints medians of CPU seconds (user and system), the largest
memory, and ratios. Every result is checked against an independent count by csv.DictReader.
Peers are installed once into environments under --cache; without one its row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.desk import as_installed, say
from benchmarks.price_list_files import FIRST, REPUBLISHED, SECOND, WHOLE, write_list

HERE = Path(__file__).parent
PEERS = {
    "gpuhunt": "gpuhunt[aws]==0.1.34",
    "pandas": "pandas==3.1.1",
    "sparecores": "sparecores-crawler==0.10.2",
}
DAYS = ("2026-09-10T20:00:00+00:00", "2026-09-11T20:30:00+00:00")


@dataclass(slots=True)
class Case:
    """One process: what is run, what is made ready before each run, what it must find."""

    name: str
    command: list[str]
    prepare: Callable[[], object] = lambda: None
    expected: dict[str, Any] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    peak: float = 0
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        """Median CPU seconds."""
        return median(self.seconds)

    def run(self) -> None:
        """Once more; SystemExit when it finds something else than the independent count."""
        self.prepare()
        cpu, peak, out = measured(self.command)
        self.seconds.append(cpu)
        self.peak = max(self.peak, peak)
        self.found = json.loads(out)
        wrong = {k: v for k, v in self.expected.items() if self.found.get(k) != v}
        if wrong:
            raise SystemExit(f"{self.name} found {self.found}, expected {self.expected}")


def measured(command: Sequence[str]) -> tuple[float, float, str]:
    """CPU seconds, peak MB and output of a process."""
    pipe, env = subprocess.PIPE, as_installed()
    with subprocess.Popen(command, stdout=pipe, text=True, env=env) as process:  # noqa: S603
        out = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out


def main() -> None:
    """Prepare, run in turn, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=120, help=f"{WHOLE}: the whole")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/breakeven-bench")
    chosen = parser.parse_args()
    folder = chosen.cache / f"lists-{chosen.machines}"
    folder.mkdir(parents=True, exist_ok=True)
    lists = Lists(folder)
    lists.write(chosen.machines)
    cases = all_cases(lists, chosen.cache)
    for _ in range(chosen.runs):
        for case in cases.values():
            case.run()
    say(table(cases, lists))


@dataclass(frozen=True, slots=True)
class Lists:
    """Three lists and the books between them."""

    folder: Path

    @property
    def first(self) -> Path:
        """The first day's."""
        return self.folder / "first.csv"

    @property
    def second(self) -> Path:
        """The next day's: all dates moved, some prices changed."""
        return self.folder / "second.csv"

    @property
    def again(self) -> Path:
        """The next day's without a changed price."""
        return self.folder / "again.csv"

    @property
    def book(self) -> Path:
        """The book that each run writes."""
        return self.folder / "book.db"

    @property
    def before(self) -> Path:
        """The book after the first day."""
        return self.folder / "before.db"

    def write(self, machines: int) -> None:
        """Make the lists, and the book of the first day."""
        for path, day in ((self.first, FIRST), (self.second, SECOND), (self.again, REPUBLISHED)):
            write_list(path, machines, day)
        self.empty()
        measured(ingest(self.first, self.book, DAYS[0]))
        shutil.copy(self.book, self.before)

    def empty(self) -> None:
        """No book, but its schema: making that is no part of any list."""
        for path in self.folder.glob("book.db*"):
            path.unlink()
        code = "import sys; from pricebook.schema import open_book; open_book(sys.argv[1])"
        measured([sys.executable, "-c", code, f"sqlite:///{self.book}"])

    def after_first_day(self) -> None:
        """The book as the first day left it."""
        for path in self.folder.glob("book.db*"):
            path.unlink()
        shutil.copy(self.before, self.book)


def ingest(file: Path, book: Path, day: str, *more: str) -> list[str]:
    """The command of one look."""
    module = "benchmarks.price_list_ingest"
    return [sys.executable, "-m", module, str(file), f"sqlite:///{book}", day, *more]


def all_cases(lists: Lists, cache: Path) -> dict[str, Case]:
    """Every process, by name."""
    peer = [sys.executable, str(HERE / "price_list_peers.py")]
    _, _, out = measured([*peer, "compare", str(lists.first), str(lists.second)])
    truth = json.loads(out)
    rows = {"rows": truth["rows"]}
    day_two = {**rows, "changed": truth["changed"], "new": truth["new"], "withdrawn": 0}
    unchanged = {"changed": 0, "new": 0, "withdrawn": 0}
    cases = [
        Case("count newlines", [*peer, "count", str(lists.second)], expected=rows),
        Case("for line in file", [*peer, "iterate", str(lists.second)], expected=rows),
        Case("csv.DictReader, stores nothing", [*peer, "dictreader", str(lists.second)]),
        Case(
            "breakeven, second day",
            ingest(lists.second, lists.book, DAYS[1]),
            lists.after_first_day,
            day_two,
        ),
        Case(
            "breakeven, republished unchanged",
            ingest(lists.again, lists.book, DAYS[1]),
            lists.after_first_day,
            unchanged,
        ),
        Case(
            "breakeven, same version",
            ingest(lists.again, lists.book, DAYS[1], "same"),
            lists.after_first_day,
            unchanged,
        ),
        Case("breakeven, first day", ingest(lists.first, lists.book, DAYS[0]), lists.empty),
    ]
    for name, requirement in PEERS.items():
        python = environment(cache, name, requirement)
        if python:
            script = str(HERE / "price_list_peers.py")
            cases.append(Case(requirement, [python, script, name, str(lists.second)]))
        else:
            say(f"{requirement} can't be installed here: no figures of it")
    return {case.name: case for case in cases}


def environment(cache: Path, name: str, requirement: str) -> str | None:
    """The Python of an environment that has this peer, made when it is missing."""
    home = cache / name
    python = home / "bin/python"
    if not (home / ".ready").exists():
        venv.create(home, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", requirement]
        if subprocess.run(install, check=False, stderr=subprocess.DEVNULL).returncode:  # noqa: S603
            return None
        (home / ".ready").touch()
    return str(python)


def table(cases: dict[str, Case], lists: Lists) -> str:
    """The figures as a Markdown table, and the ratios that are goals."""
    floor, gpuhunt = cases["count newlines"].cpu, cases.get(PEERS["gpuhunt"])
    size = lists.second.stat().st_size / 1e6
    rows = cases["count newlines"].found["rows"]
    lines = [f"{rows} rows, {size:.0f} MB; medians of {len(cases['count newlines'].seconds)} runs"]
    lines += ["", "| process | CPU s | min-max | x counting | x gpuhunt | peak MB |"]
    lines += ["|---|---|---|---|---|---|"]
    for case in cases.values():
        if "sparecores" not in case.name:
            hunt = f"{case.cpu / gpuhunt.cpu:.2f}" if gpuhunt else "-"
            spread = f"{min(case.seconds):.2f}-{max(case.seconds):.2f}"
            figures = f"{case.cpu:.2f} | {spread} | {case.cpu / floor:.1f} | {hunt}"
            lines.append(f"| {case.name} | {figures} | {case.peak:.0f} |")
    lines += ["", *per_row(cases, rows)]
    return "\n".join(lines)


def per_row(cases: dict[str, Case], rows: int) -> list[str]:
    """What a price row costs on the second day."""
    second = cases["breakeven, second day"].cpu / rows * 1e6
    said = [f"a price row, second day: {second:.1f} us of CPU"]
    peer = cases.get(PEERS["sparecores"])
    if peer:
        theirs = peer.found["seconds"] / peer.found["rows"] * 1e6
        said.append(
            f"sparecores-crawler, validate and upsert: {theirs:.0f} us, x {theirs / second:.0f}"
        )
    return said


if __name__ == "__main__":
    main()
