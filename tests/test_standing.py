"""pricebook.standing: how sources stand, what waits for review, what is announced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine

from pricebook.book import Change, Look, record
from pricebook.quote import Quote, Series
from pricebook.runs import Held, note_held, note_run
from pricebook.standing import (
    Scheduled,
    Standing,
    came_into_force,
    scheduled,
    standings,
    waiting,
)

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GPT = Series.of("openai", "gpt-5", "input", "mtok")


def tried(connection: Connection, partition: str, hour: int, outcome: str) -> None:
    """A run that ended in that way."""
    reason = "answered 503" if outcome == "failed" else ""
    note_run(connection, partition, NOON + hour * HOUR, outcome, reason=reason)


def look(connection: Connection, hour: int, *quotes: Quote) -> list[Change]:
    """A complete look at OpenAI's page."""
    at = NOON + hour * HOUR
    run = note_run(connection, "openai", at, "complete")
    return record(connection, Look("openai", run, at, [(quote, None) for quote in quotes]))


def quote(amount: str, since: int | None = None, until: int | None = None) -> Quote:
    """A price that holds from and until some hour after noon."""
    times = (None if hour is None else NOON + hour * HOUR for hour in (since, until))
    return Quote(GPT, Decimal(amount), f"${amount}", "the row", "", *times)


class TestStandings:
    def test_failures_since_the_last_look(self, book: Engine) -> None:
        """Only failures in a row count, and the last of them says why."""
        with book.begin() as connection:
            for hour, outcome in enumerate(["failed", "complete", "failed", "failed"]):
                tried(connection, "openai", hour, outcome)
            assert (Standing("openai", NOON + HOUR, 2, "answered 503"),) == standings(connection)

    def test_a_partial_look_is_one(self, sqlite_book: Engine) -> None:
        """A look that read something ends the failures."""
        with sqlite_book.begin() as connection:
            for hour, outcome in enumerate(["failed", "partial"]):
                tried(connection, "openai", hour, outcome)
            assert (Standing("openai", NOON + HOUR, 0, ""),) == standings(connection)

    def test_the_worst_of_its_parts(self, sqlite_book: Engine) -> None:
        """A source with several partitions stands as badly as the worst of them."""
        with sqlite_book.begin() as connection:
            for hour, place in enumerate(["eu-west-1", "us-east-1"]):
                tried(connection, f"aws-ec2/{place}", hour, "complete")
            tried(connection, "aws-ec2/us-east-1", 2, "failed")
            assert (Standing("aws-ec2", NOON, 1, "answered 503"),) == standings(connection)

    def test_never_read(self, sqlite_book: Engine) -> None:
        """A source that only ever failed was never verified."""
        with sqlite_book.begin() as connection:
            tried(connection, "openai", 0, "failed")
            assert (Standing("openai", None, 1, "answered 503"),) == standings(connection)

    def test_imports_are_no_looks(self, sqlite_book: Engine) -> None:
        """What others say of the past, and a person's word, are no tries."""
        with sqlite_book.begin() as connection:
            tried(connection, "import/curated", 0, "import")
            tried(connection, "openai", 0, "review")
            assert () == standings(connection)


class TestWaiting:
    def test_settles(self, book: Engine) -> None:
        """What a second look may settle does so only until that look."""
        held = [Held("price jump", "the row", "$1", quote("1"), curable=True)]
        with book.begin() as connection:
            for hour, settles in ((0, True), (1, False)):
                run = note_run(connection, "openai", NOON + hour * HOUR, "partial")
                note_held(connection, "openai", run, NOON + hour * HOUR, held)
                (one,) = waiting(connection)
                assert (GPT, "price jump", settles) == (one.series, one.reason, one.settles)

    def test_a_row_that_is_no_price(self, sqlite_book: Engine) -> None:
        """It has no series."""
        with sqlite_book.begin() as connection:
            run = note_run(connection, "openai", NOON, "partial")
            note_held(connection, "openai", run, NOON, [Held("unknown unit", "the row", "$1")])
            (one,) = waiting(connection)
            assert (None, "$1", False) == (one.series, one.text, one.settles)


class TestScheduled:
    def test_ahead(self, book: Engine) -> None:
        """An announced price is known with its day until that comes."""
        with book.begin() as connection:
            look(connection, 0, quote("10"), quote("12", since=48))
            expected = (Scheduled(GPT, NOON + 48 * HOUR, Decimal(12)),)
            assert expected == scheduled(connection, NOON)
            assert () == scheduled(connection, NOON + 48 * HOUR)

    def test_end(self, sqlite_book: Engine) -> None:
        """A price that ends, with nothing said of what follows, has no amount from then on."""
        with sqlite_book.begin() as connection:
            look(connection, 0, quote("10", until=48))
            assert (Scheduled(GPT, NOON + 48 * HOUR, None),) == scheduled(connection, NOON)

    def test_cancelled_and_changed(self, book: Engine) -> None:
        """The last word counts that was known at the time."""
        with book.begin() as connection:
            look(connection, 0, quote("10"), quote("12", since=48))
            look(connection, 1, quote("10"), quote("11", since=48))
            look(connection, 2, quote("10"))
            amounts = [
                [one.amount for one in scheduled(connection, NOON + n * HOUR)] for n in (0, 1, 2)
            ]
            assert [[Decimal(12)], [Decimal(11)], []] == amounts

    def test_comes_into_force(self, book: Engine) -> None:
        """On its day it is a change, whether or not anybody looks."""
        with book.begin() as connection:
            look(connection, 0, quote("10"), quote("12", since=48))
            then = NOON + 48 * HOUR
            expected = (Change(GPT, Decimal(10), Decimal(12), then),)
            assert expected == came_into_force(connection, NOON, then)
            assert () == came_into_force(connection, NOON, then - HOUR)
            assert () == came_into_force(connection, then, then + HOUR)

    def test_came_earlier(self, sqlite_book: Engine) -> None:
        """A price that the page showed before its day changes nothing on that day."""
        with sqlite_book.begin() as connection:
            look(connection, 0, quote("10"), quote("12", since=48))
            look(connection, 24, quote("12"), quote("12", since=48))
            assert () == came_into_force(connection, NOON, NOON + 72 * HOUR)

    def test_observed_prices_are_not_announced(self, sqlite_book: Engine) -> None:
        """What a look found changed is that look's to tell."""
        with sqlite_book.begin() as connection:
            look(connection, 0, quote("10"))
            assert [Change(GPT, Decimal(10), Decimal(12), NOON + HOUR)] == look(
                connection, 1, quote("12")
            )
            assert () == came_into_force(connection, NOON, NOON + 72 * HOUR)
