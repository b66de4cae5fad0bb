"""Questions to the book: a SQLite file without SQLAlchemy, other books with it, one answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from pricebook import answers
from pricebook.asking import asking
from pricebook.errors import DatabaseError, DatabaseTooNew
from pricebook.offers import by_length
from pricebook.past import past
from pricebook.question import Asked, Question, instant
from pricebook.quote import Price, Quote, Series
from pricebook.runs import Fetched, note_fetch, note_run
from pricebook.schema import open_book, reading
from pricebook.series import Filter, series_ids
from pricebook.writer import Look, note_facts, record

DAY = timedelta(days=1)
INPUT = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="standard")
BATCH = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="batch", context="<=272000")
AZURE = Series.of("azure", "gpt-4o", "output", "mtok", region="eastus", currency="EUR")
OTHER = Series.of("openai", "GPT_4o-mini", "input", "mtok")


def fill(engine: Engine, noon: datetime) -> None:
    """Changes, a withdrawal, an announcement, what pages printed, facts about machines."""
    announced = Quote(
        INPUT, Decimal(3), "$3 from May", "Note", "", noon + 9 * DAY, None, "announced"
    )
    looks = (
        ("openai", noon, (_quote(INPUT, "2.5"), _quote(BATCH, "1.25"), _quote(OTHER, "0.15"))),
        ("azure", noon + DAY, (_quote(AZURE, "0.0000000001"),)),
        ("openai", noon + 2 * DAY, (_quote(INPUT, "2"), announced)),
        ("openai", noon + 4 * DAY, (_quote(INPUT, "2"), announced)),
        ("azure", noon + 5 * DAY, (_quote(AZURE, "0"),)),
    )
    with engine.begin() as connection:
        for name, at, quotes in looks:
            run = note_run(connection, name, at, "complete")
            page = Fetched(f"https://{name}.example/pricing", "html", at, "0" * 64, 9)
            fetch = note_fetch(connection, run, page)
            record(connection, Look(name, run, at, [(one, fetch) for one in quotes]))
        note_facts(connection, "aws", "p5.48xlarge", {"accelerators": [{"kind": "gpu"}]}, noon)


def _quote(series: Series, amount: str) -> Quote:
    return Quote(series, Decimal(amount), f"${amount}", "Table › row", "per 1M tokens")


@pytest.fixture
def filled(book: Engine, noon: datetime) -> Engine:
    """A book with prices of every kind, on each database."""
    fill(book, noon)
    return book


QUESTIONS: dict[str, Callable[[Asked, datetime], Any]] = {
    "history": lambda asked, noon: _all(answers.history(asked, Filter(product="gpt-4o"))),
    "history of a while": lambda asked, noon: _all(
        answers.history(asked, Filter(seller="openai"), noon + DAY, noon + 9 * DAY)
    ),
    "history of everything": lambda asked, noon: _all(answers.history(asked, Filter())),
    "each change": lambda asked, noon: _all(answers.each_change(asked, None, noon + 9 * DAY)),
    "as of": lambda asked, noon: _all(answers.as_of(asked, noon + 3 * DAY)),
    "as known": lambda asked, noon: _all(answers.as_of(asked, noon + 3 * DAY, noon + DAY)),
    "a part of a name": lambda asked, noon: _all(
        answers.as_of(asked, noon, where=Filter("gpt_4O"))
    ),
    "some products": lambda asked, noon: _all(answers.as_of(asked, noon, products=["gpt-4o"])),
    "price at": lambda asked, noon: answers.price_at(asked, AZURE, noon + 2 * DAY),
    "price of none": lambda asked, noon: answers.price_at(asked, AZURE, noon - DAY),
    "past": lambda asked, noon: {
        series: _all(held)
        for series, held in past(asked, [INPUT, AZURE, OTHER], noon + 9 * DAY).items()
    },
    "numbers": lambda asked, noon: len(series_ids(asked, [INPUT, BATCH, AZURE])),
    "latest": lambda asked, noon: sorted(
        answers.latest_of(asked, series_ids(asked, [INPUT, AZURE]).values()).values()
    ),
    "by length": lambda asked, noon: by_length(asked, BATCH),
    "facts": lambda asked, noon: answers.facts_of(asked, "aws", "p5.48xlarge"),
    "machines": lambda asked, noon: answers.machines_with(asked),
}
EXPECTED: dict[str, Any] = {
    "price of none": None,
    "numbers": 3,
    "latest": [Decimal(0), Decimal(2)],
    "by length": (BATCH,),
    "facts": {"accelerators": [{"kind": "gpu"}]},
    "machines": ("p5.48xlarge",),
}


def _all(prices: Iterable[Price]) -> list[str]:
    """With what doesn't count when prices are compared; those of one moment in one order."""
    return sorted(repr(asdict(price)) for price in prices)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_same_answer(
    filled: Engine, sqlite_book: Engine, noon: datetime, question: str
) -> None:
    """A SQLite file that is asked by itself says what each database says through SQLAlchemy."""
    if filled.dialect.name == "postgresql":
        fill(sqlite_book, noon)
    file = filled if filled.dialect.name == "sqlite" else sqlite_book
    ask = QUESTIONS[question]
    with reading(filled) as connection, asking(str(file.url)) as alone:
        found = ask(alone, noon)

        assert isinstance(alone, sqlite3.Connection)
        assert ask(connection, noon) == found
    assert EXPECTED.get(question, found) == found
    assert found or question == "price of none"


def test_it_holds_every_kind_of_row(filled: Engine) -> None:
    """The book that is asked has withdrawn, free, announced and quoted prices."""
    with reading(filled) as connection:
        found = answers.history(connection, Filter())

    assert {None, Decimal(0), Decimal(3)} <= {price.amount for price in found}
    assert {"observed", "announced"} <= {price.basis for price in found}
    assert "https://azure.example/pricing" in {price.url for price in found}
    assert sorted(price.valid_from for price in found) == [price.valid_from for price in found]


@pytest.mark.parametrize(
    ("pattern", "products"),
    [("gpt_", {"GPT_4o-mini"}), ("GPT-4", {"gpt-4o"}), ("%", set()), ("o/m", set())],
)
def test_a_pattern_is_no_pattern_of_the_database(
    filled: Engine, noon: datetime, pattern: str, products: set[str]
) -> None:
    """What SQL takes for a wildcard stands for itself; small and capital letters are one."""
    with reading(filled) as connection:
        found = answers.as_of(connection, noon, where=Filter(pattern))

    assert products == {price.series.product for price in found}


def test_other_books_are_asked_through_sqlalchemy(book_url: str, noon: datetime) -> None:
    """An empty address is made a book of first; PostgreSQL is asked by its own driver."""
    with asking(book_url) as asked:
        assert isinstance(asked, Connection)
        assert [] == answers.as_of(asked, noon)


def test_one_state_of_the_book_is_seen(sqlite_book: Engine, noon: datetime) -> None:
    """What is written while questions are asked comes with the next ones, and isn't held up."""
    fill(sqlite_book, noon)
    with asking(str(sqlite_book.url)) as asked:
        before = answers.latest_of(asked, range(9))
        with sqlite_book.begin() as connection:
            run = note_run(connection, "azure", noon + 6 * DAY, "complete")
            record(connection, Look("azure", run, noon + 6 * DAY, [(_quote(AZURE, "7"), None)]))
        assert before == answers.latest_of(asked, range(9))
    with asking(str(sqlite_book.url)) as asked:
        assert Decimal(7) in answers.latest_of(asked, range(9)).values()


def test_a_question_leaves_one_file(tmp_path: Path) -> None:
    """The log that SQLite keeps meanwhile goes with the last one who asks."""
    url = f"sqlite:///{tmp_path}/book.db"
    open_book(url).dispose()
    with asking(url) as asked:
        assert answers.latest_of(asked, [1]) == {}

    assert ["book.db"] == [path.name for path in tmp_path.iterdir()]


def test_nothing_can_be_written_through_it(sqlite_book: Engine, noon: datetime) -> None:
    """A question that isn't one is refused by the database."""
    fill(sqlite_book, noon)
    with (
        asking(str(sqlite_book.url)) as asked,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        Question("DELETE FROM price").rows(asked)


def test_a_newer_or_a_strange_file_is_explained(
    sqlite_book: Engine, noon: datetime, tmp_path: Path
) -> None:
    """A file of another schema, and one that isn't a database: the sentences of `open_book`."""
    with sqlite_book.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    (tmp_path / "notes.db").write_text("no database " * 99, encoding="utf-8")

    with pytest.raises(DatabaseTooNew, match="9999"), asking(str(sqlite_book.url)):
        pass
    with pytest.raises(DatabaseError, match="notes.db"), asking(f"sqlite:///{tmp_path}/notes.db"):
        pass


def test_a_question_that_fails_is_an_error_of_sqlalchemy_s(book: Engine) -> None:
    """Whoever holds its connection handles one kind of error."""
    with reading(book) as connection, pytest.raises(DBAPIError, match="nowhere"):
        Question("SELECT a FROM nowhere").rows(connection)


def test_times_without_a_zone_are_refused(book: Engine) -> None:
    """They would be read in some machine's own zone."""
    with (
        asking(book.url.render_as_string(hide_password=False)) as asked,
        pytest.raises(ValueError, match="no time zone"),
    ):
        answers.as_of(asked, datetime(2026, 1, 1))  # noqa: DTZ001


def test_times_are_in_utc(noon: datetime) -> None:
    """SQLite keeps seconds, PostgreSQL times in whatever zone its session has."""
    assert noon == instant(int(noon.timestamp()))
    assert "+00:00" == instant(noon.astimezone()).isoformat()[-6:]
