"""Writing by the batch: what a look writes that is the first one, and what one that isn't."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, text

from pricebook import bulk
from pricebook.book import as_of, partition_id
from pricebook.bulk import BulkWriter
from pricebook.question import amount
from pricebook.quote import Series, to_ticks
from pricebook.runs import note_run
from pricebook.tariffs import Key, key_of

START = datetime(2026, 9, 10, 20, tzinfo=UTC)
ONE, TWO, FIVE = (to_ticks(Decimal(amount)) for amount in ("1", "2", "5"))


def machine(name: str) -> Series:
    return Series.of("aws", name, "instance", "hour", region="us-east-1", os="Linux")


def keys(*names: str) -> list[Key]:
    return [key_of(machine(name)) for name in names]


def writer_of(connection: Connection, day: int, partition: str = "aws-ec2/us-east-1") -> BulkWriter:
    at = START + timedelta(days=day)
    run = note_run(connection, partition, at, "complete")
    return BulkWriter(connection, partition_id(connection, partition), run, at)


def prices(connection: Connection, day: int) -> dict[str, Decimal | None]:
    found = as_of(connection, START + timedelta(days=day))
    return {one.series.product: one.amount for one in found}


@pytest.mark.parametrize("at_once", [2, 3, 5000])
def test_a_first_look_writes_what_is_new_at_once(
    book: Engine, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Series, prices and what is in force, by the numbers that it gives in their order; however
    many rows a statement takes."""
    monkeypatch.setattr(bulk, "_AT_ONCE", at_once)
    costs = {"m5.large": ONE, "m5.xlarge": TWO, "c5.large": FIVE}
    with book.begin() as connection:
        writer = writer_of(connection, 0)
        numbers = writer.enter_new(keys(*costs), list(costs.values()))
        assert writer.counts.new == 3
        assert set(numbers) == set(writer_of(connection, 1).in_force())
        assert writer.products(numbers) == dict(zip(numbers, costs, strict=True))
        assert prices(connection, 1) == {name: amount(cost) for name, cost in costs.items()}


def test_what_comes_twice_or_is_known_is_not_written_at_once(book: Engine) -> None:
    """Then nothing has a price yet, and who asks row by row finds every series."""
    with book.begin() as connection:
        writer = writer_of(connection, 0)
        assert not writer.enter_new(keys("m5.large", "m5.large"), [ONE, TWO])
        assert not writer.enter_new(keys("m5.xlarge", "m5.large"), [TWO, ONE])
        assert prices(connection, 1) == {}
        assert writer.counts.all == 0
        large, again, extra = writer.standings(keys("m5.large", "m5.large", "m5.xlarge"))
        assert large == again
        assert large.number != extra.number


def indexes(connection: Connection) -> dict[str, str]:
    found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    return {name: sql for name, sql in found if sql}


def test_a_book_that_is_filled_has_its_indexes_afterwards(sqlite_book: Engine) -> None:
    """While more series come than there are, one of them is left out; then it finds all of them."""
    with sqlite_book.begin() as connection:
        before, writer = indexes(connection), writer_of(connection, 0)
        with writer.filling(2):
            assert before.keys() - indexes(connection).keys() == {"ix_series_tariff_id"}
            writer.enter_new(keys("m5.large", "c5.large"), [ONE, TWO])
        assert indexes(connection) == before
        by_tariff = "SELECT count(*) FROM series INDEXED BY ix_series_tariff_id WHERE tariff_id > 0"
        assert connection.execute(text(by_tariff)).scalar() == 2


def test_a_few_more_series_let_the_indexes_grow(sqlite_book: Engine) -> None:
    """To build one anew for a few rows would go through all of the others."""
    with sqlite_book.begin() as connection:
        writer = writer_of(connection, 0)
        writer.enter_new(keys("m5.large", "c5.large"), [ONE, TWO])
        before = indexes(connection)
        with writer.filling(2):
            assert indexes(connection) == before


def test_a_book_that_was_not_filled_keeps_its_indexes(sqlite_book: Engine) -> None:
    """A list that is refused half way is undone with all that was done for it."""
    with sqlite_book.begin() as connection:
        before = indexes(connection)
        filling = writer_of(connection, 0).filling(2)
        with suppress(RuntimeError), connection.begin_nested(), filling:
            raise RuntimeError
        assert indexes(connection) == before


def test_a_change_takes_a_series_over_from_another_partition(book: Engine) -> None:
    """A page has moved: from now on it is this partition that verifies it, at the new price."""
    with book.begin() as connection:
        writer_of(connection, 0, "aws-ec2/old").enter_new(keys("m5.large"), [ONE])
        writer = writer_of(connection, 1)
        (standing,) = writer.standings(keys("m5.large"))
        writer.enter([(standing, FIVE)])
        assert (writer.counts.new, writer.counts.changed) == (0, 1)
        assert writer_of(connection, 2).in_force() == [standing.number]
        assert writer_of(connection, 2, "aws-ec2/old").in_force() == []
        assert prices(connection, 2) == {"m5.large": Decimal(5)}
        assert prices(connection, 0) == {"m5.large": Decimal(1)}


def test_what_was_withdrawn_comes_back_as_new(book: Engine) -> None:
    """And is missing no more, although it costs what it did before."""
    with book.begin() as connection:
        (number,) = writer_of(connection, 0).enter_new(keys("m5.large"), [ONE])
        for day in (1, 2):
            writer_of(connection, day).miss([number], (), complete=True)
        assert prices(connection, 2) == {}
        writer = writer_of(connection, 3)
        (standing,) = writer.standings(keys("m5.large"))
        assert standing.amount is None
        writer.enter([(standing, ONE)])
        assert (writer.counts.new, writer.counts.changed) == (1, 0)
        assert prices(connection, 3) == {"m5.large": Decimal(1)}
        missing = text("SELECT unseen_since, missing_since FROM current")
        assert connection.execute(missing).one() == (None, None)


def test_two_changes_within_a_second_are_one(book: Engine) -> None:
    """The later one is what we know."""
    with book.begin() as connection:
        writer_of(connection, 0).enter_new(keys("m5.large"), [ONE])
        for cost in (TWO, FIVE):
            writer = writer_of(connection, 1)
            writer.enter([(writer.standings(keys("m5.large"))[0], cost)])
        assert prices(connection, 1) == {"m5.large": Decimal(5)}
        assert connection.execute(text("SELECT count(*) FROM price")).scalar_one() == 2
