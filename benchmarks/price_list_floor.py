"""What no first day of a price list can be below, whatever reads it: SQLite alone writes the rows
of a book that holds one list into an empty book, in two layouts: as they are, and with what is the
same for all machines (seller, meter ... `more`) in a table of its own, `tariff`.

`python -m benchmarks.price_list_floor BOOK LIST` prints medians of CPU seconds, beside those that
csv.DictReader needs to iterate the list. It compares sums with those of the book.
"""

# ruff: noqa: S608 - names of our own

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.desk import say
from benchmarks.price_list import HERE, measured
from pricebook.schema import open_book

RUNS = 3
TARIFF = "seller, meter, unit, currency, service_tier, region, term, more"
AS_THEY_ARE = ("CREATE TEMP TABLE given AS SELECT * FROM full.series",)
WITH_TARIFFS = (
    "DROP TABLE series",
    f"CREATE TABLE tariff (id INTEGER PRIMARY KEY, {TARIFF}, UNIQUE ({TARIFF}))",
    "CREATE TABLE series (id INTEGER PRIMARY KEY, product TEXT NOT NULL,"
    " tariff_id INTEGER NOT NULL REFERENCES tariff, UNIQUE (product, tariff_id))",
    f"INSERT INTO tariff ({TARIFF}) SELECT DISTINCT {TARIFF} FROM full.series",
    "CREATE TEMP TABLE given AS SELECT one.id, one.product, tariff.id"
    f" FROM full.series AS one JOIN tariff USING ({TARIFF})",
)
# The order keeps SQLite from copying whole pages, which no list allows.
WRITTEN = (
    "INSERT INTO series SELECT * FROM given ORDER BY 1",
    "INSERT INTO price SELECT * FROM full.price ORDER BY series_id",
    "INSERT INTO current SELECT * FROM full.current ORDER BY series_id",
)


def main() -> None:
    """Measure in turn, tell."""
    book, prices = map(Path, sys.argv[1:])
    reader = [sys.executable, str(HERE / "price_list_peers.py"), "dictreader", str(prices)]
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(RUNS):
        seconds["csv.DictReader, stores nothing"].append(measured(reader)[0])
        for name, layout in (
            ("SQLite alone, series as they are", AS_THEY_ARE),
            ("SQLite alone, series with tariffs", WITH_TARIFFS),
        ):
            spent, size = written(book, layout)
            seconds[f"{name}, {size / 1e6:.0f} MB"].append(spent)
    iterated, *_ = map(median, seconds.values())
    for name, spent in seconds.items():
        say(f"{name}: {median(spent):.2f} s CPU, {median(spent) / iterated:.2f} x")


def written(book: Path, layout: Sequence[str]) -> tuple[float, int]:
    """CPU seconds and bytes of a new book with the rows of that one."""
    with tempfile.TemporaryDirectory(prefix="breakeven-bench-") as folder:
        file = Path(folder) / "book.db"
        engine = open_book(f"sqlite:///{file}")
        with closing(engine.raw_connection()) as raw:
            cursor = raw.cursor()
            cursor.execute("ATTACH ? AS full", (str(book),))
            for statement in (*layout, "INSERT INTO partition SELECT * FROM full.partition"):
                cursor.execute(statement)
            began = time.process_time()
            for statement in ("BEGIN IMMEDIATE", *WRITTEN, "COMMIT"):
                cursor.execute(statement)
            spent = time.process_time() - began
            check(cursor)
        engine.dispose()
        return spent, file.stat().st_size


def check(cursor: Any) -> None:
    """SystemExit when it isn't the same book."""
    for table, column in (("series", "id"), ("price", "amount"), ("current", "amount")):
        sums = [
            cursor.execute(f"SELECT count(*), total({column}) FROM {book}.{table}").fetchone()
            for book in ("main", "full")
        ]
        if sums[0] != sums[1]:
            raise SystemExit(f"{table}: {sums[0]} is not {sums[1]}")


if __name__ == "__main__":
    main()
