"""What is forgotten by and by, and what never is."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, func, select

from breakeven.cli import cli
from pricebook.book import Look, history, price_at, record
from pricebook.pruning import Pruned, prune
from pricebook.quote import Quote, Series
from pricebook.runs import Fetched, note_changes, note_fetch, note_run
from pricebook.schema import compact, open_book, reading
from pricebook.series import Filter
from pricebook.tables import Evidence, Fetch, Run
from scraper.evidence import FRESH, EvidenceFolder

DAY = timedelta(days=1)
SERIES = Series.of("openai", "gpt", "input", "mtok")
DAYS = 10


def look(
    connection: Connection, at: datetime, amount: int, digest: str, partition: str = "openai"
) -> None:
    """A look that found this amount in the document of that digest."""
    run = note_run(connection, partition, at, "complete", quotes=1)
    fetch = note_fetch(connection, run, Fetched("https://x.test", "html", at, digest, 1000))
    quote = Quote(SERIES, Decimal(amount), f"${amount}", "row")
    changes = record(connection, Look(partition, run, at, [(quote, fetch)]))
    note_changes(connection, run, len(changes))


@pytest.fixture
def old_book(book: Engine, noon: datetime) -> Engine:
    """Ten days of four looks each; the price changed once, on the fifth day."""
    with book.begin() as connection:
        for number in range(4 * DAYS):
            amount = 1 if number < 20 else 2
            look(connection, noon + number * DAY / 4, amount, f"{number:064}")
    return book


def pruned(engine: Engine, before: datetime, spared: tuple[str, ...] = ()) -> Pruned:
    """Prune in a transaction of its own."""
    with engine.begin() as connection:
        return prune(connection, before, spared)


def test_one_look_a_day_is_enough_for_the_past(old_book: Engine, noon: datetime) -> None:
    """Of looks that changed nothing the last of each day stays; those that did all stay."""
    found = pruned(old_book, noon + DAYS * DAY)

    # noon, 18, 0 and 6 o'clock: eleven days of the calendar; two looks found a change, and
    # neither was the last of its day.
    assert 4 * DAYS - 11 - 2 == found.looks
    with old_book.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(Run)).scalar()
    assert 11 + 2 == kept


def test_what_a_price_points_to_stays(old_book: Engine, noon: datetime) -> None:
    """The documents of both prices and the last answer stay; 37 others go."""
    found = pruned(old_book, noon + DAYS * DAY)

    assert (37, 37) == (found.answers, len(found.digests))
    with old_book.connect() as connection:
        kept = set(connection.execute(select(Evidence.sha256)).scalars())
    assert {f"{number:064}" for number in (0, 20, 39)} == kept


def test_no_price_is_forgotten(old_book: Engine, noon: datetime) -> None:
    """History, with what was printed and where, is what it was."""
    with reading(old_book) as connection:
        before = history(connection, Filter())
    pruned(old_book, noon + DAYS * DAY)

    with reading(old_book) as connection:
        assert before == history(connection, Filter())
        assert ["https://x.test"] * 2 == [price.url for price in history(connection, Filter())]


def test_a_price_was_verified_when_the_day_before_says_so(old_book: Engine, noon: datetime) -> None:
    """Afterwards a time in the past may look a day less verified, never more."""
    at = noon + 3 * DAY
    with reading(old_book) as connection:
        before = price_at(connection, SERIES, at)
    pruned(old_book, noon + DAYS * DAY)

    with reading(old_book) as connection:
        after = price_at(connection, SERIES, at)
    ages = [at - price.verified_at for price in (before, after) if price and price.verified_at]
    assert timedelta(0) <= ages[1] - ages[0] <= DAY


def test_the_young_stay(old_book: Engine, noon: datetime) -> None:
    """What isn't older than asked stays whole, and pruning again finds nothing."""
    assert Pruned(0, 0, (), 0) == pruned(old_book, noon)
    pruned(old_book, noon + 5 * DAY)
    assert Pruned(0, 0, (), 0) == pruned(old_book, noon + 5 * DAY)


def test_what_was_walked_through_is_remembered(book: Engine, noon: datetime) -> None:
    """An archive's looks are how its walk knows what it has read."""
    with book.begin() as connection:
        for number in range(4):
            look(connection, noon + number * DAY / 8, 1, f"{number:064}", "archive/us-east-1")

    assert Pruned(0, 0, (), 0) == pruned(book, noon + DAY, spared=("archive",))
    assert pruned(book, noon + DAY).answers > 0


def test_a_book_is_compacted(old_book: Engine) -> None:
    """VACUUM runs on both databases, and nothing is lost by it."""
    compact(old_book)

    with old_book.connect() as connection:
        assert 4 * DAYS == connection.execute(select(func.count()).select_from(Fetch)).scalar()


class TestFiles:
    """Documents are dropped when nobody is about to need them."""

    def test_an_old_one_is_dropped(self, tmp_path: Path) -> None:
        """It is gone, and dropping it again does nothing."""
        store = EvidenceFolder(tmp_path)
        digest = store.put(b"page")
        age(tmp_path, FRESH)

        assert store.drop(digest)
        assert not store.drop(digest)
        assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]

    def test_one_that_came_again_stays(self, tmp_path: Path) -> None:
        """What is put again is young again: a run may be about to point to it."""
        store = EvidenceFolder(tmp_path)
        digest = store.put(b"page")
        age(tmp_path, FRESH)
        store.put(b"page")

        assert not store.drop(digest)
        assert b"page" == store.get(digest)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noon: datetime) -> Path:
    """A book with two old documents, of which a price points to one."""
    monkeypatch.chdir(tmp_path)
    store = EvidenceFolder(tmp_path / "evidence")
    engine = open_book("sqlite:///breakeven.db")
    long_ago = noon - 900 * DAY
    with engine.begin() as connection:
        for number in range(3):
            look(connection, long_ago + number * DAY / 8, 1, store.put(b"page %d" % number))
    engine.dispose()
    age(tmp_path, 2 * FRESH)
    return tmp_path


def test_the_command_forgets(folder: Path) -> None:
    """`prune` drops the document that nothing points to, `--dry-run` only says so."""
    said = CliRunner().invoke(cli, ["prune", "--dry-run"])
    assert (0, 3) == (said.exit_code, documents(folder))
    assert "would be forgotten: 1 looks that changed nothing, 1 answers, 1 documents" in said.stderr

    done = CliRunner().invoke(cli, ["prune"])
    assert (0, 2) == (done.exit_code, documents(folder))
    assert "forgotten: 1 looks" in done.stderr


def documents(folder: Path) -> int:
    """How many documents are kept."""
    return len(list((folder / "evidence").rglob("*.gz")))


def age(folder: Path, by: timedelta) -> None:
    """Make every file that much older."""
    then = time.time() - by.total_seconds() - 1
    for file in folder.rglob("*.gz"):
        os.utime(file, (then, then))
