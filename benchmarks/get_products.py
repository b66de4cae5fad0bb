"""How fast GetProducts is read, beside boto3 alone: `python -m benchmarks.get_products`.

Serves two days' pages from a process of its own (benchmarks/get_products_pages.py), runs readers
(benchmarks/get_products_readers.py) as whole processes in turn, several times, and prints medians
of CPU seconds, and ratios to boto3's paginator with json.loads of each entry. What is found is
checked against an independent count. The floors stop before anything is done with a price.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.desk import say
from benchmarks.price_list import DAYS, Case, environment, measured

MSGSPEC = "msgspec==0.22.0"
YARDSTICK = "boto3's paginator, json.loads of each entry"
LOOK = "breakeven, whole look"
_START = "boto3's client, no page"


def main() -> None:
    """Prepare, run in turn, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--every", type=int, default=3, help="1: all machines can be reserved")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/breakeven-bench")
    chosen = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "NO_PROXY": "*"}
    with (
        served(chosen.pages, chosen.every) as url,
        tempfile.TemporaryDirectory(prefix="breakeven-bench-") as folder,
    ):
        cases = all_cases(url, chosen.pages, Path(folder), chosen.cache)
        for _ in range(chosen.runs):
            for case in cases.values():
                case.run()
    say(table(cases, chosen.pages))


@contextmanager
def served(pages: int, every: int) -> Iterator[str]:
    """The address of a server that has made its pages."""
    command = [sys.executable, "-m", "benchmarks.get_products_pages", str(pages), str(every)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # noqa: S603
        # Leaving closes its standard input, which ends it.
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"


def reader(name: str, *words: str) -> list[str]:
    """The command of one reader."""
    return [sys.executable, "-m", "benchmarks.get_products_readers", name, *words]


def all_cases(url: str, pages: int, folder: Path, cache: Path) -> dict[str, Case]:
    """Every process, by name; the book of the first day is made."""
    first, second, count = f"{url}/1", f"{url}/2", str(pages)
    truth = json.loads(measured(reader("count", first, second))[2])
    entries = {"entries": 100 * pages}
    prices = {name: truth[name] for name in ("prices", "ticks")}
    cpu, peak, _ = measured(reader("look", first, count, str(folder), DAYS[0]))
    say(f"the first look, into an empty book: {cpu:.2f} s of CPU, {peak:.0f} MB\n")
    (folder / "book.db").rename(folder / "before.db")

    def after_first_day() -> None:
        shutil.rmtree(folder / "evidence")
        for path in folder.glob("book.db*"):
            path.unlink()
        shutil.copy(folder / "before.db", folder / "book.db")

    cases = [
        Case(_START, reader("client", second)),
        Case("boto3's paginator", reader("paginator", second), expected=entries),
        Case(YARDSTICK, reader("loads", second), expected=entries),
        *floors(second, entries, truth["prices"], cache),
        Case("breakeven, to quotes", reader("quotes", second, count), expected=prices),
        Case(
            LOOK,
            reader("look", second, count, str(folder), DAYS[1]),
            after_first_day,
            {**truth, "outcome": "complete"},
        ),
    ]
    return {case.name: case for case in cases}


def floors(url: str, entries: dict[str, int], prices: int, cache: Path) -> Iterator[Case]:
    """Readers that stop before anything is done with a price."""
    name = "floor: the paginator, body"
    yield Case(f"{name} not parsed", reader("transport", url))
    yield Case(f"{name} by a regular expression", reader("codes", url), expected={"prices": prices})
    if python := environment(cache, "msgspec", MSGSPEC):
        (packages,) = Path(python).parents[1].glob("lib/python*/site-packages")
        command = reader("typed", url, str(packages))
        yield Case(f"{name} and entries by {MSGSPEC}", command, expected=entries)
    else:
        say(f"{MSGSPEC} can't be installed here: no figures of it")


def table(cases: dict[str, Case], pages: int) -> str:
    """The figures as a Markdown table."""
    start, yardstick, look = cases[_START].cpu, cases[YARDSTICK].cpu, cases[LOOK]
    words = f"{pages} pages, {look.found['prices']} prices, {look.found['changed']} changed"
    lines = [f"{words}; medians of {len(look.seconds)} runs", ""]
    lines += ["| process | CPU s | min-max | x json.loads | ms a page | peak MB |"]
    lines += ["|---|---|---|---|---|---|"]
    for case in cases.values():
        spread = f"{min(case.seconds):.2f}-{max(case.seconds):.2f}"
        page = (case.cpu - start) / pages * 1000
        figures = f"{case.cpu:.2f} | {spread} | {case.cpu / yardstick:.2f} | {page:.1f}"
        lines.append(f"| {case.name} | {figures} | {case.peak:.0f} |")
    parts = f"{look.found['take']:.1f} s to read and to keep, {look.found['enter']:.1f} s to judge"
    return "\n".join([*lines, "", f"of the last whole look: {parts}, compare and write"])


if __name__ == "__main__":
    main()
