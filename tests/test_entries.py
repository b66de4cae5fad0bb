"""Writing many prices takes few statements, and asking for many takes few questions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, event

from pricebook.book import Look, as_of, latest_of, machines_with, note_facts, price_at, record
from pricebook.quote import Quote, Series
from pricebook.runs import note_run
from pricebook.schema import reading
from pricebook.series import series_ids

DAY = timedelta(days=1)


def series(number: int) -> Series:
    """One of many."""
    return Series.of("aws", f"m{number}.large", "instance", "hour", region="us-east-1", os="Linux")


def look(engine: Engine, at: datetime, amounts: dict[int, int]) -> int:
    """A complete look that found these; gives how many statements it took."""
    quotes = [(Quote(series(n), Decimal(amount), "", ""), None) for n, amount in amounts.items()]
    with engine.begin() as connection:
        run = note_run(connection, "aws", at, "complete")
        with counting(engine) as said:
            record(connection, Look("aws", run, at, quotes))
    return len(said)


@contextmanager
def counting(engine: Engine) -> Iterator[list[str]]:
    """The statements that SQLAlchemy sends."""
    said: list[str] = []

    def listen(*about: object) -> None:
        said.append(str(about[2]))

    event.listen(engine, "before_cursor_execute", listen)
    yield said
    event.remove(engine, "before_cursor_execute", listen)


def test_statements_do_not_grow_with_the_page(book: Engine, noon: datetime) -> None:
    """Ten times the prices take hardly more statements: new, changed, missed and withdrawn."""
    few, many = range(20), range(1000, 1200)
    for number, numbers in enumerate((few, many)):
        start = noon + number * 100 * DAY
        first = look(book, start, dict.fromkeys(numbers, 1))
        changed = look(book, start + DAY, dict.fromkeys(numbers, 2))
        missed = look(book, start + 2 * DAY, {1: 9})
        withdrawn = look(book, start + 3 * DAY, {1: 9})

        assert max(first, changed, missed, withdrawn) < 25

    with reading(book) as connection:
        assert [series(1)] == [price.series for price in as_of(connection, noon + 200 * DAY)]


def test_the_latest_of_many(book: Engine, noon: datetime) -> None:
    """Withdrawn ones are None, those that were never read are left out, 1,200 are no limit."""
    look(book, noon, {number: number + 1 for number in range(1200)})
    for days in (1, 2):
        look(book, noon + days * DAY, {number: number + 1 for number in range(1199)})

    with reading(book) as connection:
        ids = series_ids(connection, map(series, range(1200)))
        found = latest_of(connection, [*ids.values(), 10**6])

    expected = {ids[series(number)]: Decimal(number + 1) for number in range(1199)}
    assert expected | {ids[series(1199)]: None} == found


def test_what_the_book_has_never_heard_of_has_no_number(book: Engine, noon: datetime) -> None:
    """Neither a new product on known conditions, nor a known one on new conditions."""
    look(book, noon, {1: 5, 2: 7})
    elsewhere = replace(series(1), currency="EUR")
    with reading(book) as connection:
        ids = series_ids(connection, [series(3), series(2), elsewhere, series(1), series(2)])
        alone = [series_ids(connection, [one]) for one in (series(1), series(3), elsewhere)]

    assert {series(1), series(2)} == ids.keys()
    assert [{series(1): ids[series(1)]}, {}, {}] == alone


def test_nothing_is_asked_of_nothing(book: Engine, noon: datetime) -> None:
    """Empty lists have empty answers."""
    with reading(book) as connection:
        assert {} == latest_of(connection, [])
        assert {} == series_ids(connection, [])
        assert price_at(connection, series(1), noon) is None


def test_the_machines_with_gpus(book: Engine, noon: datetime) -> None:
    """By the last facts known of each."""
    with book.begin() as connection:
        note_facts(connection, "aws", "p5.48xlarge", {"accelerators": [{"kind": "gpu"}]}, noon)
        note_facts(connection, "aws", "trn2.48xlarge", {"accelerators": [{"kind": "neuron"}]}, noon)
        note_facts(connection, "aws", "g9.large", {"accelerators": [{"kind": "gpu"}]}, noon)
        note_facts(connection, "aws", "g9.large", {"accelerators": []}, noon + DAY)

        assert ("p5.48xlarge",) == machines_with(connection)
        assert ("trn2.48xlarge",) == machines_with(connection, "neuron")
