"""pricebook.announcements: what is announced for later days, and what it changed on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine

from pricebook.announcements import Scheduled, announced_since, came_into_force, scheduled
from pricebook.book import Change, Look, record
from pricebook.quote import Quote, Series
from pricebook.runs import note_run

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GPT = Series.of("openai", "gpt-5", "input", "mtok")


def look(connection: Connection, hour: int, *quotes: Quote) -> list[Change]:
    """A complete look at OpenAI's page."""
    at = NOON + hour * HOUR
    run = note_run(connection, "openai", at, "complete")
    return record(connection, Look("openai", run, at, [(quote, None) for quote in quotes]))


def quote(amount: str, since: int | None = None, until: int | None = None) -> Quote:
    """A price that holds from and until some hour after noon."""
    times = (None if hour is None else NOON + hour * HOUR for hour in (since, until))
    return Quote(GPT, Decimal(amount), f"${amount}", "the row", "", *times)


def test_ahead(book: Engine) -> None:
    """An announced price is known with its day until that comes."""
    with book.begin() as connection:
        look(connection, 0, quote("10"), quote("12", since=48))
        expected = (Scheduled(GPT, NOON + 48 * HOUR, Decimal(12)),)
        assert expected == scheduled(connection, NOON)
        assert () == scheduled(connection, NOON + 48 * HOUR)


def test_end(sqlite_book: Engine) -> None:
    """A price that ends, with nothing said of what follows, has no amount from then on."""
    with sqlite_book.begin() as connection:
        look(connection, 0, quote("10", until=48))
        assert (Scheduled(GPT, NOON + 48 * HOUR, None),) == scheduled(connection, NOON)


def test_cancelled_and_changed(book: Engine) -> None:
    """The last word counts that was known at the time."""
    with book.begin() as connection:
        look(connection, 0, quote("10"), quote("12", since=48))
        look(connection, 1, quote("10"), quote("11", since=48))
        look(connection, 2, quote("10"))
        amounts = [
            [one.amount for one in scheduled(connection, NOON + n * HOUR)] for n in (0, 1, 2)
        ]
        assert [[Decimal(12)], [Decimal(11)], []] == amounts


def test_comes_into_force(book: Engine) -> None:
    """On its day it is a change, whether or not anybody looks."""
    with book.begin() as connection:
        look(connection, 0, quote("10"), quote("12", since=48))
        then = NOON + 48 * HOUR
        expected = (Change(GPT, Decimal(10), Decimal(12), then),)
        assert expected == came_into_force(connection, NOON, then)
        assert () == came_into_force(connection, NOON, then - HOUR)
        assert () == came_into_force(connection, then, then + HOUR)


def test_came_earlier(sqlite_book: Engine) -> None:
    """A price that the page showed before its day changes nothing on that day."""
    with sqlite_book.begin() as connection:
        look(connection, 0, quote("10"), quote("12", since=48))
        look(connection, 24, quote("12"), quote("12", since=48))
        assert () == came_into_force(connection, NOON, NOON + 72 * HOUR)


def test_observed_prices_are_not_announced(sqlite_book: Engine) -> None:
    """What a look found changed is that look's to tell."""
    with sqlite_book.begin() as connection:
        look(connection, 0, quote("10"))
        assert [Change(GPT, Decimal(10), Decimal(12), NOON + HOUR)] == look(
            connection, 1, quote("12")
        )
        assert () == came_into_force(connection, NOON, NOON + 72 * HOUR)


def test_since_when_anything_was_announced(book: Engine) -> None:
    """The time at which the first announcement was recorded, whatever its day; None before."""
    with book.begin() as connection:
        look(connection, 0, quote("10"))
        assert announced_since(connection) is None
        look(connection, 1, quote("10"), quote("12", since=48))
        look(connection, 2, quote("10"), quote("11", since=24))
        assert NOON + HOUR == announced_since(connection)
