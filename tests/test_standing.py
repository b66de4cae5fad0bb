"""pricebook.standing: how sources stand, and what waits for review."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine

from pricebook.quote import Quote, Series
from pricebook.runs import Held, note_held, note_run
from pricebook.standing import Standing, standings, waiting

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GPT = Series.of("openai", "gpt-5", "input", "mtok")


def tried(connection: Connection, partition: str, hour: int, outcome: str) -> None:
    """A run that ended in that way."""
    reason = "answered 503" if outcome == "failed" else ""
    note_run(connection, partition, NOON + hour * HOUR, outcome, reason=reason)


def quote(amount: str) -> Quote:
    """A price that holds from now on."""
    return Quote(GPT, Decimal(amount), f"${amount}", "the row")


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
