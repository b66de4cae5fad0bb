"""Where the CPU seconds of a second day go: `python -m benchmarks.price_list_shares FOLDER`.

FOLDER is one that benchmarks.price_list has left, with `second.csv` and `before.db`; the book is
copied elsewhere. Whole processes in turn, each of which does what the one before does and more;
prints medians, and what each adds.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from benchmarks.desk import say
from benchmarks.price_list import DAYS, HERE, Case, ingest

RUNS = 7
_BEGIN = "import atexit, gc, sys; from pathlib import Path; atexit.register(gc.freeze);"
_COMPARE = """
from benchmarks.price_list_ingest import *
with open_book(sys.argv[2]).connect() as connection:
    last = remembered(connection, partition_id(connection, PARTITION))
"""


def main() -> None:
    """Run in turn, tell what each adds."""
    folder = Path(sys.argv[1])
    with TemporaryDirectory() as place:
        cases = steps(folder, Path(place))
        for _ in range(RUNS):
            for case in cases:
                case.run()
    counting, *looks = cases
    say(f"counting the lines: {counting.cpu:.2f} s\n")
    say("| up to | CPU s | added | x counting | peak MB |\n|---|---|---|---|---|")
    for before, case in pairwise([Case("", [], seconds=[0]), *looks]):
        added = case.cpu - before.cpu
        figures = f"{case.cpu:.2f} | {added:.2f} | {added / counting.cpu:.2f} | {case.peak:.0f}"
        say(f"| {case.name} | {figures} |")


def steps(folder: Path, place: Path) -> list[Case]:
    """Counting the lines, and a look that goes farther and farther."""
    file, before, book = folder / "second.csv", folder / "before.db", place / "book.db"

    def step(name: str, code: str) -> Case:
        told = f"{_BEGIN}{code}\nprint('{{}}')"
        return Case(name, [sys.executable, "-c", told, str(file), f"sqlite:///{book}"], renewed)

    def renewed() -> None:
        for left in place.iterdir():
            left.unlink()
        copy(before, book)

    compare = "compare_list(chunks(Path(sys.argv[1])), REGION, last.memory)"
    return [
        Case("", [sys.executable, str(HERE / "price_list_peers.py"), "count", str(file)]),
        step("Python's own start", "pass"),
        step("SQLAlchemy imported", "import sqlalchemy"),
        step("all imported", "import benchmarks.price_list_ingest"),
        step("the last list's memory read", _COMPARE),
        step("the lists compared", _COMPARE + compare),
        Case("what changed entered", ingest(file, book, DAYS[1]), renewed),
    ]


if __name__ == "__main__":
    main()
