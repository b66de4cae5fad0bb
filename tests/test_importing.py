"""Statements about the past: the CSV format, row by row, and what an import does to the book."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select

from breakeven.app import App
from breakeven.cli import cli
from breakeven.importing import write
from breakeven.settings import Settings
from pricebook import book as books
from pricebook import statements
from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Quote, Series
from pricebook.runs import note_run
from pricebook.series import Filter
from pricebook.statements import Fault
from pricebook.tables import EventRow, Run
from scraper.clock import Clock

HEADER = "seller,product,meter,unit,currency,service_tier,amount,valid_from,source"
GPT_4O = "openai,gpt-4o,input,mtok,USD,standard"
INPUT = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="standard")
UNTIL = datetime(2026, 11, 23, 12, tzinfo=UTC)
MAY, OCTOBER = datetime(2024, 5, 13, tzinfo=UTC), datetime(2024, 10, 2, tzinfo=UTC)


class Fixed(Clock):
    """A clock that stands still."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The one time."""
        return self.at


def table(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def read(*rows: str, header: str = HEADER) -> statements.Statements:
    return statements.read(table(*rows, header=header), UNTIL)


def fault(row: str) -> str:
    """The one sentence about the one row."""
    found = read(row)
    (told,) = found.faults
    assert (2, 0) == (told.line, len(found))
    return told.sentence


def app_on(engine: Engine, at: datetime = UNTIL) -> App:
    return App(Settings.read(Table({}, "test")), engine, Fixed(at))


def observe(engine: Engine, amount: str, at: datetime, series: Series = INPUT) -> None:
    """Let the book see a price on the seller's page."""
    with engine.begin() as connection:
        run = note_run(connection, series.seller, at, "complete")
        quote = Quote(series, Decimal(amount), f"${amount}", "a cell")
        books.record(connection, books.Look(series.seller, run, at, [(quote, None)]))


def told(engine: Engine) -> list[tuple[Decimal | None, str]]:
    with engine.connect() as connection:
        return [(price.amount, price.basis) for price in books.history(connection, Filter())]


# The format


def test_a_row_is_a_statement() -> None:
    """Series, exact amount, day, and who said it."""
    (quote,) = read(f"{GPT_4O},2.50,2024-10-02,the alias moves").quotes

    assert (INPUT, Decimal("2.5"), OCTOBER) == (quote.series, quote.amount, quote.valid_from)
    assert ("2.50", "the alias moves") == (quote.quoted, quote.where)


def test_columns_in_any_order() -> None:
    """Columns are found by name; a byte order mark and spaces around cells don't matter."""
    header = "\ufeffsource, amount,valid_from,currency,unit,meter,product,seller,service_tier"
    row = '"a, b", 2.5 ,2024-10-02,USD,mtok,input,gpt-4o,openai,standard'

    (quote,) = read(row, header=header).quotes

    assert (INPUT, Decimal("2.5"), "a, b") == (quote.series, quote.amount, quote.where)


def test_every_qualifier_may_be_a_column() -> None:
    """A qualifier's column makes it part of the series, an empty cell leaves it out."""
    header = HEADER.replace("service_tier", "region,term,os")
    rows = "aws,p4d.24xlarge,instance,hour,USD,{},32.7726,2020-11-02,AWS"

    found = read(
        rows.format("us-east-1,on_demand,Linux"), rows.format("us-east-1,,"), header=header
    )

    assert [
        {"region": "us-east-1", "term": "on_demand", "os": "Linux"},
        {"region": "us-east-1"},
    ] == [dict(quote.series.qualifiers) for quote in found.quotes]


def test_an_empty_amount_is_a_withdrawal() -> None:
    """Empty is withdrawn or unknown; 0 is free, and a price."""
    found = read(f"{GPT_4O},,2024-05-13,shut down", f"{GPT_4O},0,2024-10-02,free now")

    assert [(INPUT, MAY)] == [(one.series, one.valid_from) for one in found.withdrawn]
    assert [Decimal(0)] == [one.amount for one in found.quotes]


@pytest.mark.parametrize(
    ("day", "since"),
    [
        ("2024-05-13", MAY),
        ("2024-05-13T00:00:00Z", MAY),
        ("2024-05-13 02:00+02:00", MAY),
        ("2026-11-23T12:00:00Z", UNTIL),
    ],
)
def test_days_and_times(day: str, since: datetime) -> None:
    """A day is midnight UTC; a time without a zone is UTC; the present is past enough."""
    (quote,) = read(f"{GPT_4O},1,{day},s").quotes

    assert since == quote.valid_from


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (f"{GPT_4O},1", "7 cells under 9 columns; quote commas"),
        (f"{GPT_4O},1,2024-05-13,a,b", "10 cells under 9 columns; quote commas"),
        (f"{GPT_4O},1,2024-05-13,", "no source"),
        (f"{GPT_4O},1,,s", "no valid_from"),
        ("openai,,input,mtok,USD,,1,2024-05-13,s", "no product"),
        ("openai,x,imput,mtok,USD,,1,2024-05-13,s", "meter is 'imput'; did you mean input?"),
        ("openai,x,input,tokens,USD,,1,2024-05-13,s", "unit is 'tokens'; did you mean"),
        ("OpenAI,x,input,mtok,USD,,1,2024-05-13,s", "seller is 'OpenAI'; write it in small"),
        ("openai,x,input,mtok,$,,1,2024-05-13,s", "currency is '$'; write its code: USD"),
        ("openai,x,input,mtok,USD,Standard,1,2024-05-13,s", "service_tier is 'Standard'"),
        (f'{GPT_4O},"1,5",2024-05-13,s', "amount is '1,5'; write it as 1234.5, or leave"),
        (f"{GPT_4O},$1,2024-05-13,s", "amount is '$1'"),
        (f"{GPT_4O},-1,2024-05-13,s", "amount is '-1'"),
        (f"{GPT_4O},1e3,2024-05-13,s", "amount is '1e3'"),
        (f"{GPT_4O},NaN,2024-05-13,s", "amount is 'NaN'"),
        (f"{GPT_4O},0.00000000001,2024-05-13,s", "which keeps ten decimals"),
        (f"{GPT_4O},922337204,2024-05-13,s", "and up to 922 million"),
        (f"{GPT_4O},1,13.05.2024,s", "valid_from is '13.05.2024'; write 2024-05-13 or"),
        (f"{GPT_4O},1,2024-02-30,s", "valid_from is '2024-02-30'; write"),
        (f"{GPT_4O},1,0001-01-01T00:00:00+05:00,s", "valid_from is '0001-"),
        (f"{GPT_4O},1,0024-05-13,s", "which is too long ago to be meant"),
        (f"{GPT_4O},1,2026-11-23T12:00:01Z,s", "which is still to come; import takes the past"),
        (f"{GPT_4O},1,2024-05-13,caf\ufffd", "source has characters that are no text"),
        (f"{GPT_4O},1,2024-05-13,a\x00b", "source has characters that are no text"),
        (f'{GPT_4O},1,2024-05-13,"a"b', "no CSV from here on"),
    ],
)
def test_a_wrong_row_is_told_in_one_sentence(row: str, sentence: str) -> None:
    """Each kind of mistake is named with what stands there; the row is no statement."""
    assert sentence in fault(row)


def test_true_of_a_spreadsheet_is_refused() -> None:
    """TRUE would make another series than the one that breakeven observes."""
    header = HEADER.replace("service_tier", "fine_tuned")
    row = "openai,gpt-4o,input,mtok,USD,TRUE,1,2024-05-13,s"

    assert (Fault(2, "fine_tuned is 'TRUE'; write true, or leave it empty"),) == read(
        row, header=header
    ).faults


def test_the_line_of_a_row_counts_all_lines() -> None:
    """Empty lines and cells of several lines count, as an editor counts them."""
    rows = (f"{GPT_4O},1,2024-05-13,s", "", ",,,,,,,,", f"{GPT_4O},x,2024-05-13,s")

    found = read(*rows)

    assert [5] == [one.line for one in found.faults]
    assert 1 == len(found)


def test_a_cell_of_two_lines_is_one() -> None:
    """Ends of lines and odd spaces in a cell become one space."""
    (quote,) = read(f'{GPT_4O},1,2024-05-13,"the page,\n\u00a0 of May"').quotes

    assert "the page, of May" == quote.where


def test_two_amounts_for_one_day_are_wrong() -> None:
    """The second row is a fault that names the first one; the same row twice is none."""
    same = f"{GPT_4O},1,2024-05-13,s"

    found = read(same, same, f"{GPT_4O},2,2024-05-13,s")

    assert (Fault(4, "line 2 has another amount for the same series and day"),) == found.faults
    assert [Decimal(1)] == [one.amount for one in found.quotes]


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (f"{HEADER},servicetier", "the column 'servicetier' is unknown; did you mean service_tier"),
        (f"{HEADER},amount", "the column 'amount' stands there twice"),
        (HEADER.replace(",source", ""), "no column 'source'; the first line must name the columns"),
        (HEADER.replace(",", ";"), "is unknown; known: seller, product,"),
        ("", "no column 'seller'"),
    ],
)
def test_a_wrong_header_is_refused(header: str, sentence: str) -> None:
    """Nothing is guessed of a file whose columns are not ours."""
    with pytest.raises(ConfigError, match=sentence):
        statements.read(f"{header}\n", UNTIL)


# Into the book


def test_an_import_is_known_the_second_time(book: Engine) -> None:
    """What is in the book is not written again; the second import leaves no run either."""
    said = read(f"{GPT_4O},5,2024-05-13,s", f"{GPT_4O},,2024-10-02,s")

    first, second = (write(app_on(book), "import/x.csv", said) for _ in range(2))

    assert [2, 0] == [len(first.changes), len(second.changes)]
    assert [0, 0] == [first.exit_code, second.exit_code]
    assert 2 == second.as_dict()["known"]
    assert [(5, "imported"), (None, "imported")] == told(book)
    with book.connect() as connection:
        assert ["import"] == list(connection.execute(select(Run.outcome)).scalars())


def test_an_observed_price_stands(sqlite_book: Engine) -> None:
    """A statement against what breakeven has read is a conflict: shown with both, not written."""
    observe(sqlite_book, "2.5", OCTOBER)
    said = read(f"{GPT_4O},5,2024-05-13,before", f"{GPT_4O},3,2025-01-01,after")

    done = write(app_on(sqlite_book), "import/x.csv", said)

    assert [(5, "imported"), (Decimal("2.5"), "observed")] == told(sqlite_book)
    (conflict,) = done.as_dict()["conflicts"]
    assert ("3", "2025-01-01T00:00:00Z", "after", "2.5", "2024-10-02T00:00:00Z") == (
        conflict["amount"],
        conflict["valid_from"],
        conflict["said_by"],
        conflict["known_amount"],
        conflict["known_since"],
    )
    assert 3 == done.exit_code


def test_an_imported_price_holds_until_the_next(sqlite_book: Engine) -> None:
    """The book answers for a day between two statements, and after a withdrawal with nothing."""
    rows = (f"{GPT_4O},5,2024-05-13,s", f"{GPT_4O},2.5,2024-10-02,s", f"{GPT_4O},,2025-01-01,s")
    write(app_on(sqlite_book), "import/x.csv", read(*rows))
    days = [MAY - timedelta(seconds=1), MAY, OCTOBER, datetime(2025, 1, 1, tzinfo=UTC)]

    with sqlite_book.connect() as connection:
        held = [[one.amount for one in books.as_of(connection, day)] for day in days]

    assert [[], [5], [Decimal("2.5")], []] == held


def test_an_import_raises_no_event(sqlite_book: Engine) -> None:
    """Backfill never alerts: nothing is judged."""
    write(app_on(sqlite_book), "import/x.csv", read(f"{GPT_4O},5,2024-05-13,s"))

    with sqlite_book.connect() as connection:
        assert [] == connection.execute(select(EventRow.id)).all()


# On the command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def breakeven(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def prices(folder: Path) -> list[str]:
    found = json.loads(breakeven("prices", "--json").stdout)
    return [row["amount"] for row in found]


def test_nothing_of_a_file_with_a_wrong_row_is_written(folder: Path) -> None:
    """Each wrong row is told with its line, the good ones wait, and exit is 2."""
    text = table(f"{GPT_4O},5,2024-05-13,s", f"{GPT_4O},x,2024-05-14,s")
    (folder / "x.csv").write_text(text, encoding="utf-8")

    done = breakeven("import", "x.csv")

    assert (2, "", []) == (done.exit_code, done.stdout, prices(folder))
    assert "x.csv, line 3: amount is 'x'" in done.stderr
    assert "Error: x.csv: nothing was imported; wrong rows: 1; mend them" in done.stderr


def test_partial_leaves_wrong_rows_out(folder: Path) -> None:
    """`--partial` writes the good rows, tells the others, and ends with 3."""
    text = table(f"{GPT_4O},5,2024-05-13,s", f"{GPT_4O},x,2024-05-14,s")
    (folder / "x.csv").write_text(text, encoding="utf-8")

    done = breakeven("import", "x.csv", "--partial", "--json")

    assert (3, ["5"]) == (done.exit_code, prices(folder))
    found = json.loads(done.stdout)
    assert (1, 1, [3]) == (
        found["statements"],
        found["written"],
        [one["line"] for one in found["faults"]],
    )


def test_a_command_leaves_a_file_that_may_be_copied(folder: Path) -> None:
    """All that was written lies in it, nothing in a log beside it."""
    (folder / "x.csv").write_text(table(f"{GPT_4O},5,2024-05-13,s"), encoding="utf-8")
    command = [sys.executable, "-m", "breakeven", "import", "x.csv"]
    subprocess.run(command, check=True, capture_output=True)

    assert {"x.csv", "breakeven.db"} == {path.name for path in folder.iterdir()}
    assert ["5"] == prices(folder)


def test_conflicts_are_printed(folder: Path) -> None:
    """A statement that contradicts an earlier one is told in a sentence, and exit is 3."""
    for name, amount in (("a.csv", "5"), ("b.csv", "6")):
        text = table(f"{GPT_4O},{amount},2024-05-13,the page {name}")
        (folder / name).write_text(text, encoding="utf-8")
    breakeven("import", "a.csv")

    done = breakeven("import", "b.csv")

    assert (3, ["5"]) == (done.exit_code, prices(folder))
    assert (
        "conflict: openai gpt-4o input USD/mtok (service_tier=standard): 6 from"
        " 2024-05-13T00:00:00Z (the page b.csv) was not written; the book has 5 since"
    ) in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("import nope.csv", "nope.csv is no file and no list; known: curated, genai-prices,"),
        ("import models.dev", "models.dev needs the file that its answer was saved in"),
        ("import models.dev nope.json", "nope.json: can't be read: No such file or directory"),
        ("import nope x.json", "nope is no catalogue, so it takes neither a document nor --at"),
        ("import empty.csv --at 2026-01-01", "empty.csv is no catalogue, so it takes neither"),
        ("import empty.csv", "empty.csv: line 1: no column 'seller'"),
        ("import", "Missing argument 'WHAT'"),
    ],
)
def test_what_a_user_gets_wrong(folder: Path, words: str, sentence: str) -> None:
    """One sentence, exit 2, and nothing on stdout."""
    (folder / "empty.csv").touch()

    done = breakeven(*words.split())

    assert (2, "") == (done.exit_code, done.stdout)
    assert sentence in done.stderr


def test_the_sources_keep_their_old_words(folder: Path) -> None:
    """`sources NAME` is `sources list NAME`, and options may come first."""
    answers = {
        breakeven(*words.split()).stdout
        for words in (
            "sources openai --json",
            "sources --json openai",
            "sources list openai --json",
        )
    }

    assert 1 == len(answers)
    assert ["openai"] == [row["source"] for row in json.loads(answers.pop())]
