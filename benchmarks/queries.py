"""How fast the book answers, and whether it does while a price list is being written.

`python -m benchmarks.queries [--changes N] [--url URL]` makes a book of N price changes (20 for
each series), asks through the public Python API as commands do, checks each answer against the
formula that the book was made by, and prints microseconds, the median and the 99th percentile of
each question. `--url` names an empty database, or one that an earlier run has made without a
writer; else it is a new SQLite file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, text

from benchmarks.desk import database, say
from benchmarks.made_book import DAYS_BETWEEN, GPU_FAMILIES, REGIONS, START, MadeBook
from pricebook import book
from pricebook.asking import asking
from pricebook.bulk import BulkWriter, Standing
from pricebook.past import past
from pricebook.question import Asked
from pricebook.quote import Series
from pricebook.schema import open_book, reading
from pricebook.series import Filter
from pricebook.tables import Run

CHANGES = 20
MANY = 10_000


def main() -> None:
    """Print one line for each question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200_000)
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument(
        "--seconds",
        type=int,
        default=5,
        help="Of reading beside a writer, which leaves the book changed; 0: don't.",
    )
    chosen = parser.parse_args()
    made = MadeBook(max(chosen.changes // CHANGES, 1000), CHANGES)
    with database(chosen.url) as url:
        engine = open_book(url)
        _fill(engine, made)
        say(f"{made.series * made.changes:,} price changes of {made.series:,} series")
        say(_size(engine, made))
        with asking(url) as asked:
            for question in _questions(asked, made):
                say(_measured(question, chosen.rounds))
        if chosen.seconds:
            say(_beside_a_writer(engine, url, made, chosen.seconds))
        engine.dispose()


@dataclass(frozen=True, slots=True)
class Question:
    """Something to ask: `ask` answers what `about` makes up, and `check` knows the answer."""

    name: str
    about: Callable[[], Any]
    ask: Callable[[Any], Any]
    check: Callable[[Any, Any], bool]
    share: int = 1
    """Of the rounds: one in so many."""


def _questions(asked: Asked, made: MadeBook) -> Iterator[Question]:
    chance = random.Random(1)  # noqa: S311 - nothing here is secret
    now = START + timedelta(days=made.changes * DAYS_BETWEEN)

    def one() -> int:
        return chance.randrange(1, 1 + made.series)

    def then() -> datetime:
        return START + timedelta(days=chance.randrange(made.changes * DAYS_BETWEEN))

    yield Question(
        "price of a series at a time",
        lambda: (number := one(), made.one(number), then()),
        lambda about: book.price_at(asked, *about[1:]),
        lambda about, found: _amount(found) == _expected(made, about[0], about[2]),
    )
    yield Question(
        "history of a series",
        lambda: (number := one(), made.one(number)),
        lambda about: list(past(asked, [about[1]], now)[about[1]]),
        lambda about, found: [price.amount for price in found] == _history(made, about[0]),
    )
    yield Question(
        f"latest of {min(MANY, made.series // 2):,} series",
        lambda: chance.sample(range(1, 1 + made.series), min(MANY, made.series // 2)),
        lambda about: book.latest_of(asked, about),
        lambda about, found: found == {n: made.amount(n, made.changes - 1) for n in about},
        share=10,
    )
    gpus = book.machines_with(asked)
    for name, at in (("now", lambda: now), ("at a time", then)):
        yield Question(
            f"GPU prices of a region {name}",
            lambda at=at: (at(), chance.choice(REGIONS)),
            lambda about: book.as_of(asked, about[0], where=Filter(region=about[1]), products=gpus),
            lambda about, found: len(found) == _in_region(made, *about),
            share=50,
        )
    yield Question(
        "prices of a region by a part of a name",
        lambda: (f"{chance.choice(GPU_FAMILIES).upper()}.1", chance.choice(REGIONS)),
        lambda about: book.as_of(asked, now, where=Filter(about[0], region=about[1])),
        lambda about, found: {price.series for price in found} == _named(made, *about),
        share=50,
    )
    yield Question(
        "histories that 100 workloads need",
        lambda: [one() for _ in range(200)],
        lambda about: {
            series: list(held) for series, held in past(asked, map(made.one, about), now).items()
        },
        lambda about, found: all(
            [price.amount for price in found[made.one(number)]] == _history(made, number)
            for number in about
        ),
        share=50,
    )


def _named(made: MadeBook, part: str, region: str) -> set[Series]:
    numbers = range(1 + REGIONS.index(region), 1 + made.series, len(REGIONS))
    return {one for one in map(made.one, numbers) if part.lower() in one.product}


def _measured(question: Question, rounds: int) -> str:
    wall, cpu = [], []
    for number in range(max(5, rounds // question.share)):
        about = question.about()
        began, began_cpu = time.perf_counter(), time.process_time()
        found = question.ask(about)
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
        if number % 10 == 0 and not question.check(about, found):
            raise SystemExit(f"{question.name}: {found} is not the answer about {about}")
    return (
        f"{question.name:<38} {_microseconds(wall, 50):>9} us, p99 {_microseconds(wall, 99):>9} us;"
        f" CPU {_microseconds(cpu, 50):>9} us"
    )


def _beside_a_writer(engine: Engine, url: str, made: MadeBook, seconds: int) -> str:
    """Prices at a time, asked while another process writes price lists without a pause."""
    before = _count(engine)
    stop = multiprocessing.get_context("spawn").Event()
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(url, made, stop))
    writer.start()
    while _count(engine) == before and writer.is_alive():
        time.sleep(0.05)
    wall, until = [], time.perf_counter() + seconds
    chance, then = random.Random(2), START + timedelta(days=DAYS_BETWEEN)  # noqa: S311
    while time.perf_counter() < until:
        number = chance.randrange(1, 1 + made.series)
        series = made.one(number)
        began = time.perf_counter()
        with reading(engine) as connection:
            found = book.price_at(connection, series, then)
        wall.append(time.perf_counter() - began)
        if _amount(found) != _expected(made, number, then):
            raise SystemExit(f"{series} beside a writer: {found}")
    stop.set()
    writer.join()
    written = _count(engine) - before
    if not written:
        raise SystemExit("the writer wrote nothing")
    return (
        f"beside a writer of {written:,} prices:  {_microseconds(wall, 50)} us,"
        f" p99 {_microseconds(wall, 99)} us, longest {_microseconds(wall, 100)} us"
        f" ({len(wall):,} questions)"
    )


def _write(url: str, made: MadeBook, stop: Any) -> None:
    """One list after another: every price of 50,000 series changes in one transaction."""
    engine = open_book(url)
    at = START + timedelta(days=(made.changes + 1) * DAYS_BETWEEN)
    numbers = range(1, 1 + min(made.series, 50_000))
    while not stop.is_set():
        at += timedelta(days=1)
        with engine.begin() as connection:
            values = {"partition_id": 1, "at": at, "outcome": "complete"}
            run = connection.execute(insert(Run).values(**values).returning(Run.id)).scalar_one()
            _enter(BulkWriter(connection, 1, run, at), numbers)


def _enter(writer: BulkWriter, numbers: range) -> None:
    for start in range(0, len(numbers), 5000):
        some = numbers[start : start + 5000]
        writer.enter((Standing(number, 1, None, 1), number * 10**6) for number in some)


def _fill(engine: Engine, made: MadeBook) -> None:
    began = time.perf_counter()
    if not _count(engine):
        with engine.begin() as connection:
            made.fill(connection)
        made.sample(engine)
    if _count(engine) != made.series * made.changes:
        raise SystemExit("the book is not what was to be made")
    say(f"made in {time.perf_counter() - began:.0f} s")


def _count(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM price")).scalar_one())


def _size(engine: Engine, made: MadeBook) -> str:
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            query = "SELECT pg_table_size('price') + pg_indexes_size('price')"
            size = connection.execute(text(query)).scalar_one()
            return f"{size / made.series / made.changes:.1f} bytes a price change"
        pages = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        size = connection.execute(pages).scalar_one()
        return f"{size / made.series / made.changes:.1f} bytes a price change, series and all"


def _expected(made: MadeBook, number: int, at: datetime) -> Any:
    change = made.last_at(number, at)
    return None if change is None else made.amount(number, change)


def _history(made: MadeBook, number: int) -> list[Any]:
    return [made.amount(number, change) for change in range(made.changes)]


def _in_region(made: MadeBook, at: datetime, region: str) -> int:
    first = REGIONS.index(region) + 1
    numbers = range(first, 1 + made.series, len(REGIONS))
    return sum(made.is_gpu(n) and made.last_at(n, at) is not None for n in numbers)


def _amount(price: Any) -> Any:
    return price and price.amount


def _microseconds(seconds: list[float], percentile: int) -> str:
    place = min(len(seconds) - 1, len(seconds) * percentile // 100)
    return f"{sorted(seconds)[place] * 1e6:,.0f}"


if __name__ == "__main__":
    main()
