"""What years of daily looks cost: a price list of 100,000 series of which 0.5 % change a day.

`python -m benchmarks.years [--series N] [--years N] [--url URL] [--beside]` enters the first list,
then each day's changes and its run, as the collecting of price lists does; it prints bytes and CPU
seconds year by year and compares the book with what it was given. `--url` names an empty database,
else it is a new SQLite file. CPU is this process's; a server's own is not in it. `--beside`: what
each day takes Python's sqlite3 alone, in a copy of the file.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from benchmarks.desk import database, say
from pricebook import book
from pricebook.bulk import BulkWriter, Standing
from pricebook.quote import Series, from_ticks
from pricebook.runs import note_changes, note_run
from pricebook.schema import compact, open_book, reading
from pricebook.tariffs import key_of

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
PARTITION = "aws-ec2/us-east-1"
DAYS, SHARE = 365, 0.005
_BATCH = 5000


def main() -> None:
    """Print a line for the first day and one for each year."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=20_000)
    parser.add_argument("--years", type=int, default=1)
    parser.add_argument("--url")
    parser.add_argument("--beside", action="store_true")
    chosen = parser.parse_args()
    with database(chosen.url) as url:
        engine = open_book(url)
        life = Life(engine, chosen.series)
        say(f"first day, {chosen.series:,} series: {_in_words(life.first_day())}")
        life.beside = Beside(engine) if chosen.beside else None
        for number in range(1, 1 + chosen.years):
            say(f"year {number}: {_in_words(life.year())}")
        life.check()
        if life.beside:
            spent = life.beside.cpu_seconds / life.day * 1000
            say(f"by sqlite3 alone, in the same days: {spent:.1f} ms CPU a day")
        compact(engine)
        say(f"after a vacuum: {_size(engine) / 1e6:.1f} MB")
        engine.dispose()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some days."""

    days: int
    changes: int
    bytes: int
    cpu_seconds: float


class Beside:
    """A copy of an SQLite book that gets the same changes by the shortest way there is."""

    def __init__(self, engine: Engine) -> None:
        self.cpu_seconds = 0.0
        file = f"{engine.url.database}.beside"
        with closing(engine.raw_connection()) as book:
            book.cursor().execute("VACUUM INTO ?", (file,))
        self._connection = sqlite3.connect(file, isolation_level=None)
        for setting in (
            *("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"),
            *("wal_autocheckpoint = 4000", "cache_size = -16000"),
        ):
            self._connection.execute(f"PRAGMA {setting}")

    def day(self, changes: Sequence[tuple[Standing, int]], at: datetime) -> None:
        """Write the prices of a day, in one transaction."""
        now = int(at.timestamp())
        rows = [(one.number, now, ticks) for one, ticks in changes]
        began = time.process_time()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO price (series_id, valid_from, recorded_at, amount, run_id, basis)"
            " VALUES (?1, ?2, ?2, ?3, 1, 'observed')",
            rows,
        )
        self._connection.executemany(
            "UPDATE current SET valid_from = ?2, recorded_at = ?2, amount = ?3"
            " WHERE series_id = ?1",
            rows,
        )
        self._connection.execute("COMMIT")
        self.cpu_seconds += time.process_time() - began


@dataclass
class Life:
    """A book that gets a list a day, and what it should hold."""

    engine: Engine
    series: int
    day: int = 0
    beside: Beside | None = None
    given: dict[int, list[int]] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311

    def first_day(self) -> Cost:
        """Every series is new."""
        before, began = _size(self.engine), time.process_time()
        with self.engine.begin() as connection:
            writer = self._writer(connection)
            for start in range(0, self.series, _BATCH):
                numbers = range(start, min(start + _BATCH, self.series))
                found = writer.standings([key_of(_series(number)) for number in numbers])
                writer.enter((one, self._price(one.number)) for one in found)
            note_changes(connection, writer.run_id, writer.counts.all)
        spent = time.process_time() - began
        return Cost(1, self.series, _size(self.engine) - before, spent)

    def year(self) -> Cost:
        """Changes of some series each day."""
        before, spent, changes = _size(self.engine), 0.0, 0
        for _ in range(DAYS):
            self.day += 1
            standings = self._changed()
            began = time.process_time()
            with self.engine.begin() as connection:
                writer = self._writer(connection)
                writer.enter(standings)
                note_changes(connection, writer.run_id, writer.counts.all)
            spent += time.process_time() - began
            changes += len(standings)
            if self.beside:
                self.beside.day(standings, self._at)
        return Cost(DAYS, changes, _size(self.engine) - before, spent)

    def check(self) -> None:
        """Compare prices in force, how many changes there are, and some histories."""
        last = {number: from_ticks(ticks[-1]) for number, ticks in self.given.items()}
        with reading(self.engine) as connection:
            count = connection.execute(text("SELECT count(*) FROM price")).scalar_one()
            if count != sum(map(len, self.given.values())):
                raise SystemExit(f"{count} changes are not those that were given")
            if book.latest_of(connection, last) != last:
                raise SystemExit("the prices in force are not the last ones given")
            self._check_histories(connection)

    def _check_histories(self, connection: Connection) -> None:
        query = text("SELECT amount FROM price WHERE series_id = :number ORDER BY valid_from")
        for number in list(self.given)[::1000]:
            found = list(connection.execute(query, {"number": number}).scalars())
            if found != self.given[number]:
                raise SystemExit(f"series {number}: {found} is not {self.given[number]}")

    def _writer(self, connection: Connection) -> BulkWriter:
        run = note_run(connection, PARTITION, self._at, "complete", quotes=self.series)
        return BulkWriter(connection, book.partition_id(connection, PARTITION), run, self._at)

    @property
    def _at(self) -> datetime:
        return START + timedelta(days=self.day)

    def _changed(self) -> list[tuple[Standing, int]]:
        numbers = sorted(self.chance.sample(list(self.given), int(self.series * SHARE)))
        return [(Standing(n, self.given[n][-1], None, 1), self._price(n)) for n in numbers]

    def _price(self, number: int) -> int:
        ticks = self.chance.randrange(10**8, 10**12)
        self.given.setdefault(number, []).append(ticks)
        return ticks


def _series(number: int) -> Series:
    return Series.of(
        "aws",
        f"m{number % 97}.{number // 97 % 11}xlarge",
        "instance",
        "hour",
        region="us-east-1",
        os=f"Linux {number // (97 * 11)}",
        tenancy="shared",
        term="on_demand",
    )


def _size(engine: Engine) -> int:
    """Of the whole database, with what is still in SQLite's log."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            query = text("SELECT pg_database_size(current_database())")
            return int(connection.execute(query).scalar_one())
    with reading(engine) as connection:
        pages = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(connection.execute(pages).scalar_one())


def _in_words(cost: Cost) -> str:
    return (
        f"{cost.changes:,} changes, {cost.bytes / 1e6:.1f} MB"
        f" ({cost.bytes / cost.changes:.0f} bytes each),"
        f" {cost.cpu_seconds / cost.days * 1000:.1f} ms CPU a day"
    )


if __name__ == "__main__":
    main()
