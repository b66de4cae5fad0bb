"""`export`: the history of the book as a file that `import` takes, and as JSON with all rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from breakeven.cli import cli
from breakeven.exporting import held
from pricebook import book as books
from pricebook.book import Look, backfill, record
from pricebook.quote import Quote, Series, Withdrawal
from pricebook.runs import Fetched, note_fetch, note_run
from pricebook.schema import open_book
from pricebook.series import Filter

INPUT = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="standard")
ODD = Series.of("openai", "=1+1", "output", "mtok", context=">200000", currency="CNY")
P4D = Series.of("aws", "p4d.24xlarge", "instance", "hour", region="us-east-1", term="on_demand")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def quote(series: Series, amount: str, since: datetime | None = None) -> Quote:
    return Quote(series, Decimal(amount), amount, f'cell,\u00a0"{amount}"\u200b', "", since)


def observe(engine: Engine, at: datetime, *quotes: Quote) -> None:
    """One complete look at a page."""
    with engine.begin() as connection:
        run = note_run(connection, "openai", at, "complete")
        page = Fetched("https://example.com/p", "html", at, "0" * 64, 1)
        fetch = note_fetch(connection, run, page)
        record(connection, Look("openai", run, at, [(one, fetch) for one in quotes]))


def fill(engine: Engine) -> None:
    """History of every kind: imported, withdrawn, observed, announced, cancelled, corrected."""
    with engine.begin() as connection:
        run = note_run(connection, "import/x.csv", NOW, "import")
        said = [quote(P4D, "32.7726", NOW - 900 * DAY), quote(INPUT, "5", NOW - 800 * DAY)]
        gone = Withdrawal(P4D, "", "a notice", NOW - 100 * DAY)
        pairs = [(one, None) for one in said]
        backfill(connection, Look("import/x.csv", run, NOW, pairs, withdrawn=[gone]))
    observe(engine, NOW, quote(INPUT, "2.5"), quote(ODD, "0.0000000001"))
    announced = quote(INPUT, "9", NOW + 400 * DAY)
    observe(engine, NOW + DAY, quote(INPUT, "2.5"), quote(ODD, "0"), announced)
    observe(engine, NOW + 2 * DAY, quote(INPUT, "3"), quote(ODD, "0"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a filled book."""
    monkeypatch.chdir(tmp_path)
    engine = open_book("sqlite:///breakeven.db")
    fill(engine)
    engine.dispose()
    return tmp_path


def breakeven(*words: str) -> str:
    result = CliRunner().invoke(cli, list(words))
    assert 0 == result.exit_code, result.output
    return result.stdout


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_round_trip_changes_nothing(folder: Path) -> None:
    """Imported into an empty book and exported again it is the same file, byte for byte."""
    first = breakeven("export")
    (folder / "first.csv").write_text(first, encoding="utf-8")
    (folder / "breakeven.db").unlink()
    breakeven("import", "first.csv")

    assert first == breakeven("export", "--csv")


def test_the_file_has_what_held(folder: Path) -> None:
    """Changes only, oldest first, exact amounts; an empty amount is a withdrawal."""
    assert [
        ("p4d.24xlarge", "32.7726"),
        ("gpt-4o", "5"),
        ("p4d.24xlarge", ""),
        ("'=1+1", "0.0000000001"),
        ("gpt-4o", "2.5"),
        ("'=1+1", "0"),
        ("gpt-4o", "3"),
    ] == [(row["product"], row["amount"]) for row in rows(breakeven("export"))]


def test_a_source_is_told_in_words(folder: Path) -> None:
    """Of an imported price it is who said so, of an observed one the page and the cell, as text."""
    found = {row["amount"]: row["source"] for row in rows(breakeven("export"))}

    assert 'cell, "5"' == found["5"]
    assert "a notice" == found[""]
    assert 'openai, https://example.com/p, cell, "2.5"' == found["2.5"]


def test_columns_are_the_qualifiers_in_use(folder: Path) -> None:
    """No column for a qualifier that no price has, in the order of the vocabulary."""
    assert (
        "seller,product,meter,unit,currency,service_tier,context,region,term,"
        "amount,valid_from,source"
    ) == breakeven("export").splitlines()[0]


def test_since_a_day(folder: Path) -> None:
    """`--since` leaves out what was before, in both forms."""
    since = ("export", "--since", "2026-11-02")

    assert ["0", "3"] == [row["amount"] for row in rows(breakeven(*since))]
    assert {"2026-11-02", "2026-11-03", "2027-12-06"} == {
        row["valid_from"][:10] for row in json.loads(breakeven(*since, "--json"))
    }


def test_json_has_every_row_of_the_book(folder: Path) -> None:
    """The announcement, and that it was taken back, with what the page printed and where."""
    found = json.loads(breakeven("export", "--json"))

    assert ["announced", "cancelled"] == [
        row["basis"] for row in found if row["valid_from"] > "2027"
    ]
    (observed,) = [row for row in found if row["amount"] == "2.5"]
    assert ("2.5", 'cell,\u00a0"2.5"\u200b', "https://example.com/p", "openai") == (
        observed["quoted"],
        observed["where"],
        observed["url"],
        observed["source"],
    )


def test_a_command_that_asks_leaves_one_file(folder: Path) -> None:
    """The log that SQLite keeps meanwhile goes with the command."""
    breakeven("export")

    assert ["breakeven.db"] == [path.name for path in folder.iterdir()]


def test_what_is_only_announced_is_counted(folder: Path) -> None:
    """A price that has not begun is no history; stderr says how many there are."""
    engine = open_book("sqlite:///breakeven.db")
    ahead = quote(INPUT, "4", datetime(2099, 1, 1, tzinfo=UTC))
    observe(engine, NOW + 3 * DAY, quote(INPUT, "3"), quote(ODD, "0"), ahead)
    engine.dispose()

    result = CliRunner().invoke(cli, ["export"])

    assert "2099" not in result.stdout
    assert "1 announced prices are not in it" in result.stderr


def test_an_empty_book_has_an_empty_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header without rows, `[]`, and no database made."""
    monkeypatch.chdir(tmp_path)

    assert "seller,product,meter,unit,currency,amount,valid_from,source\n" == breakeven("export")
    assert [] == json.loads(breakeven("export", "--json"))
    assert not (tmp_path / "breakeven.db").exists()


def test_of_two_words_about_a_day_the_last_counts(book: Engine) -> None:
    """A correction of the same day replaces the earlier word; a repeated price is no change."""
    observe(book, NOW, quote(INPUT, "2.5"))
    for days, amount in ((1, "9"), (2, "8")):
        ahead = quote(INPUT, amount, NOW + 10 * DAY)
        observe(book, NOW + days * DAY, quote(INPUT, "2.5"), ahead)
    observe(book, NOW + 11 * DAY, quote(INPUT, "8"))
    with book.begin() as connection:
        run = note_run(connection, "import/x", NOW + 12 * DAY, "import")
        said = [(quote(INPUT, "2.5", NOW - DAY), None)]
        backfill(connection, Look("import/x", run, NOW + 12 * DAY, said))
        found = books.history(connection, Filter())

    assert [("2.5", NOW - DAY), ("8", NOW + 10 * DAY)] == [
        (str(price.amount), price.valid_from) for price in held(found)
    ]
