"""A book that moves to another database loses nothing on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, insert, select

from benchmarks.made_book import MadeBook
from breakeven.cli import cli
from pricebook.book import history
from pricebook.copying import copy_book
from pricebook.entries import made_ids
from pricebook.errors import ConfigError
from pricebook.quote import Series
from pricebook.schema import open_book, reading
from pricebook.series import Filter
from pricebook.tables import METADATA, EventRow, ListMemory, Message, Ratio, Review

AT = datetime(2026, 9, 1, tzinfo=UTC)
MADE = MadeBook(series=300, changes=3)
MODEL = Series.of("openai", "gpt-4o", "input", "mtok")


@pytest.fixture
def old(tmp_path: Path) -> str:
    """The address of a SQLite book with rows of every kind of column."""
    url = f"sqlite:///{tmp_path}/old.db"
    engine = open_book(url)
    told = {"rule": "r", "workload": "w", "kind": "fired", "state": "below", "details": {"a": [1]}}
    doubt = {"opened_at": AT, "seen_at": AT, "reason": "jump", "location": "row 2", "text": "$98"}
    with engine.begin() as connection:
        MADE.fill(connection)
        memory = {"partition_id": 1, "run_id": 1, "version": "v", "memory": bytes(range(256))}
        connection.execute(insert(ListMemory).values(**memory))
        of = {"partition_id": 1, "run_id": 1, "series_id": 7, "curable": True}
        connection.execute(insert(Review).values(**of, **doubt, amount=Decimal("98.0000000001")))
        connection.execute(insert(EventRow).values(id="e", at=AT, **told))
        waiting = {"event_id": "e", "receiver": "team", "created_at": AT, "next_attempt_at": AT}
        connection.execute(insert(Message).values(**waiting))
        ratio = {"low": None, "point": Decimal("1.87873900000000000001"), "high": None}
        state = {"health": "ok", "calculation": "c", "details": {}}
        connection.execute(insert(Ratio).values(workload="w", at=AT, **ratio, **state))
    engine.dispose()
    return url


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    engine = open_book(url)
    with reading(engine) as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*key))]
            for table in METADATA.sorted_tables
            if (key := list(table.primary_key))
        }
    engine.dispose()
    return rows


def copied(source: str, target: str) -> dict[str, int]:
    told: dict[str, int] = {}
    engines = open_book(source), open_book(target)
    try:
        assert copy_book(*engines, told.__setitem__) == sum(told.values())
    finally:
        for engine in engines:
            engine.dispose()
    return told


def test_there_and_back_again(old: str, book_url: str, tmp_path: Path) -> None:
    """Every value is the same on the other database, and after the way back."""
    before = contents(old)
    assert copied(old, book_url) == {name: len(rows) for name, rows in before.items() if rows}
    assert contents(book_url) == before
    copied(book_url, f"sqlite:///{tmp_path}/again.db")
    assert contents(f"sqlite:///{tmp_path}/again.db") == before


def test_what_is_new_gets_numbers_of_its_own(old: str, book_url: str) -> None:
    """A series that the new book learns of later is none of those that were brought."""
    copied(old, book_url)
    engine = open_book(book_url)
    with engine.begin() as connection:
        assert made_ids(connection, [MODEL, MADE.one(1)]) == {MODEL: 301, MADE.one(1): 1}
        assert len(history(connection, Filter(product=MADE.one(1).product))) > 0
    engine.dispose()


def test_a_book_that_has_something_is_left_alone(old: str, book: Engine, book_url: str) -> None:
    """Nothing is mixed: the sentence says which table has rows."""
    with book.begin() as connection:
        made_ids(connection, [MODEL])
    before = contents(book_url)
    with pytest.raises(ConfigError, match="is a book already: its table product_name has rows"):
        copied(old, book_url)
    assert contents(book_url) == before


def asked(folder: Path, url: str, *, into: str = "new.db") -> Result:
    (folder / "b.toml").write_text(f'[database]\nurl = "sqlite:///{folder}/{into}"\n')
    return CliRunner().invoke(cli, ["--config", str(folder / "b.toml"), "import", "book", url])


def test_the_command(old: str, tmp_path: Path) -> None:
    """`import book` tells the tables and their rows; the new book answers as the old one."""
    done = asked(tmp_path, old)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "series: 300 rows\n" in done.stderr
    assert contents(f"sqlite:///{tmp_path}/new.db") == contents(old)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    """The sentence is about what was given, not about a setting that is right."""
    done = asked(tmp_path, "hello")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: URL is not a database address; write sqlite:///FILE or")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.db", "there is no database {folder}/missing.db"),
        ("empty.db", "sqlite:///{folder}/empty.db holds nothing"),
        (
            "text.db",
            "sqlite:///{folder}/text.db is not a database (file is not a database); check URL",
        ),
    ],
)
def test_a_source_that_is_none(tmp_path: Path, name: str, sentence: str) -> None:
    """A file that isn't there, holds nothing or is no database is one sentence, and left so."""
    open_book(f"sqlite:///{tmp_path}/empty.db").dispose()
    (tmp_path / "text.db").write_text("these are my notes\n" * 99)
    done = asked(tmp_path, f"sqlite:///{tmp_path}/{name}")
    assert done.exit_code > 0
    assert sentence.format(folder=tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "missing.db").exists()
