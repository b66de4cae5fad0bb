"""What a first day of a price list is made of: the list is read without being stored, and SQLite
alone writes the rows of a book that holds the list into an empty book: what no way of reading it
comes below. Then the same without what breakeven does to make that faster.

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
from benchmarks.price_list_ingest import REGION, chunks
from pricebook.schema import open_book
from scraper.aws.compared_list import compare_list

RUNS = 3
FIRST = ("partition", "tariff", "product_name")
# The order keeps SQLite from copying whole pages, which no list allows.
WRITTEN = {"series": "id", "price": "series_id", "current": "series_id"}
UNCHECKED = "PRAGMA foreign_keys = OFF"
DROP = "DROP INDEX ix_series_tariff_id"
BUILD = "CREATE INDEX ix_series_tariff_id ON series (tariff_id)"
WAYS = {
    "": ((UNCHECKED, DROP), (BUILD,)),
    ", each foreign key looked up": ((DROP,), (BUILD,)),
    ", the index by tariff growing": ((UNCHECKED,), ()),
}
"""Statements before and after the rows."""


def main() -> None:
    """Measure in turn, tell."""
    book, prices = map(Path, sys.argv[1:])
    reader = [sys.executable, str(HERE / "price_list_peers.py"), "dictreader", str(prices)]
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(RUNS):
        seconds["csv.DictReader, stores nothing"].append(measured(reader)[0])
        seconds["the list is read"].append(taken_in(prices))
        for name, statements in WAYS.items():
            seconds[f"SQLite alone writes the rows{name}"].append(written(book, *statements))
    iterated, *_ = map(median, seconds.values())
    for name, spent in seconds.items():
        say(f"{name}: {median(spent):.2f} s CPU, {median(spent) / iterated:.2f} x")


def taken_in(prices: Path) -> float:
    """CPU seconds to know the lines again and to read what they say."""
    began = time.process_time()
    compare_list(chunks(prices), REGION, None)
    return time.process_time() - began


def written(book: Path, before: Sequence[str], after: Sequence[str]) -> float:
    """CPU seconds to write a new book with the rows of that one, between these statements."""
    with tempfile.TemporaryDirectory(prefix="breakeven-bench-") as folder:
        file = Path(folder) / "book.db"
        engine = open_book(f"sqlite:///{file}")
        with closing(engine.raw_connection()) as raw:
            cursor = raw.cursor()
            cursor.execute("ATTACH ? AS full", (str(book),))
            for table in FIRST:
                cursor.execute(f"INSERT INTO {table} SELECT * FROM full.{table}")
            began = time.process_time()
            rows = [
                f"INSERT INTO {table} SELECT * FROM full.{table} ORDER BY {key}"
                for table, key in WRITTEN.items()
            ]
            # SQLite hears about foreign keys before a transaction only.
            for statement in (*before, "BEGIN IMMEDIATE", *rows, *after, "COMMIT"):
                cursor.execute(statement)
            spent = time.process_time() - began
            check(cursor)
        engine.dispose()
        return spent


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
