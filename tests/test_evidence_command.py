"""`breakeven evidence`: from a price back to the cell and the document that it was read from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from breakeven.actions import accept
from breakeven.app import App
from breakeven.cli import cli
from breakeven.settings import Settings
from pricebook import book, runs
from pricebook.quote import Quote, Series
from pricebook.schema import open_book
from scraper.evidence import EvidenceFolder

INPUT = Series.of("openai", "gpt-4o", "input", "mtok", service_tier="standard")
OUTPUT = Series.of("openai", "gpt-4o", "output", "mtok", service_tier="standard")
URL = "https://openai.example/pricing"


class Desk:
    """A book, its evidence and the command, in a folder of their own."""

    def __init__(self, folder: Path, at: datetime) -> None:
        self.folder, self.at = folder, at
        self.config = folder / "breakeven.toml"
        database = f'url = "sqlite:///{folder}/book.db"\nevidence = "{folder}/evidence"'
        self.config.write_text(f"[database]\n{database}\n")
        self.store = EvidenceFolder(folder / "evidence")
        self.engine: Engine = open_book(f"sqlite:///{folder}/book.db")

    def look(self, *quotes: tuple[Series, str], pages: tuple[bytes, ...]) -> int:
        """Enter quotes of a look a day later; the first page is where they were read."""
        self.at += timedelta(days=1)
        with self.engine.begin() as connection:
            run = runs.note_run(connection, "openai", self.at, "complete")
            fetches = [runs.note_fetch(connection, run, self.fetched(page)) for page in pages]
            pairs = [(quote(series, amount), fetches[0]) for series, amount in quotes]
            book.record(connection, book.Look("openai", run, self.at, pairs, complete=False))
        return run

    def fetched(self, page: bytes) -> runs.Fetched:
        digest = self.store.put(page)
        return runs.Fetched(URL, "markdown", self.at, digest, len(page))

    def ask(self, *words: str) -> Result:
        return CliRunner().invoke(cli, ["--config", str(self.config), "evidence", *words])

    def rows(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask(*words, "--json").stdout)
        return found


def quote(series: Series, amount: str) -> Quote:
    return Quote(series, Decimal(amount), f"${amount}", f"Text › {series.meter}", "per 1M tokens")


@pytest.fixture
def desk(tmp_path: Path, noon: datetime) -> Iterator[Desk]:
    """A book with two prices of one page, and a newer input price of another."""
    desk = Desk(tmp_path, noon - timedelta(days=400))
    desk.look((INPUT, "5"), (OUTPUT, "15"), pages=(b"in 5, out 15",))
    desk.look((INPUT, "2.5"), pages=(b"in 2.5, out 15",))
    yield desk
    desk.engine.dispose()


def test_a_price_leads_to_its_cell_and_its_document(desk: Desk) -> None:
    """What was printed, in which unit and where; which document, and that its bytes are there."""
    (row,) = desk.rows("gpt-4o", "--meter", "input")

    cell = {name: row[name] for name in ("amount", "quoted", "printed_unit", "where")}
    assert cell == {
        "amount": "2.5",
        "quoted": "$2.5",
        "printed_unit": "per 1M tokens",
        "where": "Text › input",
    }
    assert row["document"] == {
        "url": URL,
        "sha256": sha256(b"in 2.5, out 15").hexdigest(),
        "at": desk.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "form": "markdown",
        "bytes": 14,
    }
    assert (True, "") == (row["kept"], row["says"])


def test_people_read_the_same(desk: Desk) -> None:
    """Under each price its cell, its document and the digest."""
    shown = desk.ask("gpt-4o", "--meter", "output").stdout

    assert '    "$15", per 1M tokens, at Text › output\n' in shown
    assert f"    {URL} (markdown), read 2025-10-20T12:00:00Z\n" in shown
    assert f"    sha256 {sha256(b'in 5, out 15').hexdigest()}, 12 bytes\n" in shown


def test_the_past_has_its_own_documents(desk: Desk) -> None:
    """`--as-of` a time gives what the price of that time was read from."""
    before = (desk.at - timedelta(hours=1)).isoformat()

    assert {sha256(b"in 5, out 15").hexdigest()} == {
        row["document"]["sha256"] for row in desk.rows("gpt-4o", "--as-of", before)
    }


def test_out_writes_the_bytes_that_came(desk: Desk) -> None:
    """To a file of any name, and nothing of the answer changes."""
    file = desk.folder / "page.md"
    result = desk.ask("gpt-4o", "--meter", "input", "--out", str(file))

    assert (0, b"in 2.5, out 15") == (result.exit_code, file.read_bytes())
    assert f"wrote {file}" in result.stderr


def test_several_documents_need_a_folder(desk: Desk) -> None:
    """Each is written there once, by its SHA-256; a file can't take two."""
    refused = desk.ask("gpt-4o", "--out", str(desk.folder / "page.md"))
    folder = desk.folder / "out"
    folder.mkdir()
    result = desk.ask("gpt-4o", "--out", str(folder))

    assert refused.exit_code == 2
    assert "these are 2 documents; name a folder" in refused.stderr
    assert 0 == result.exit_code
    assert {b"in 5, out 15", b"in 2.5, out 15"} == {one.read_bytes() for one in folder.iterdir()}
    assert {f"{sha256(one.read_bytes()).hexdigest()}.md" for one in folder.iterdir()} == {
        one.name for one in folder.iterdir()
    }


@pytest.mark.parametrize(("pages", "code"), [((b"in 2.5, out 15",), 3), (None, 1)])
def test_a_document_that_is_lost_is_told(
    desk: Desk, pages: tuple[bytes, ...] | None, code: int
) -> None:
    """The cell is shown all the same; exit 3 when some are lost, 1 when all are."""
    for file in (desk.folder / "evidence").rglob("*.gz"):
        if pages is None or file.stem == sha256(pages[0]).hexdigest():
            file.unlink()
    result = desk.ask("gpt-4o", "--json")
    row = next(row for row in json.loads(result.stdout) if row["meter"] == "input")

    assert code == result.exit_code
    assert ("$2.5", False) == (row["quoted"], row["kept"])
    assert row["says"].startswith(f"the document is lost: {desk.folder}/evidence/")
    assert row["says"].endswith("is missing: restore the folder from a backup")


def test_a_damaged_document_is_not_given_out(desk: Desk) -> None:
    """Bytes with another digest are no evidence: nothing is written, exit 1."""
    digest = sha256(b"in 2.5, out 15").hexdigest()
    other = desk.store.put(b"in 1")
    there, here = (desk.folder / f"evidence/{one[:2]}/{one}.gz" for one in (other, digest))
    here.write_bytes(there.read_bytes())
    out = desk.folder / "page.md"
    result = desk.ask("gpt-4o", "--meter", "input", "--out", str(out))

    assert (1, False) == (result.exit_code, out.exists())
    assert "is not what was stored" in result.stdout


def test_an_imported_price_says_who_said_it(desk: Desk) -> None:
    """It has no document: that isn't a loss, and exit is 0 unless one was to be written."""
    series = Series.of("openai", "davinci", "input", "mtok")
    with desk.engine.begin() as connection:
        run = runs.note_run(connection, "import/x.csv", desk.at, "complete")
        said = Quote(series, Decimal(20), "20", "row 7 of x.csv", valid_from=desk.at)
        look = book.Look("import/x.csv", run, desk.at, [(said, None)])
        book.backfill(connection, look)
    (row,) = desk.rows("davinci")

    assert (None, False) == (row["document"], row["kept"])
    assert "imported, no document was read: row 7 of x.csv" == row["says"]
    assert 0 == desk.ask("davinci").exit_code
    assert 1 == desk.ask("davinci", "--out", str(desk.folder / "none")).exit_code


@pytest.mark.parametrize(("pages", "found"), [((b"in 9",), b"in 9"), ((b"in 9", b"<p>in 9"), None)])
def test_a_price_accepted_by_hand_keeps_the_document_of_its_look(
    desk: Desk, pages: tuple[bytes, ...], found: bytes | None
) -> None:
    """Where the look that held it read one document; of two nobody knows which it was."""
    run = desk.look(pages=pages)
    with desk.engine.begin() as connection:
        held = runs.Held("price jump", "Text › input", "$9", quote(INPUT, "9"))
        runs.note_held(connection, "openai", run, desk.at, [held])
        (review,) = runs.reviews(connection)
    accept(App(Settings.load(desk.config), desk.engine), review["id"])
    (row,) = desk.rows("gpt-4o", "--meter", "input")

    digest = sha256(found).hexdigest() if found else None
    assert digest == (row["document"] and row["document"]["sha256"])
    told = "" if found else "no document is known: accepted by hand after a look at several"
    assert ("9", told) == (row["amount"], row["says"])


def test_an_unknown_product_is_told(desk: Desk) -> None:
    """As by `prices`: an empty answer and a sentence."""
    result = desk.ask("gpt-9", "--json")

    assert (0, "[]\n") == (result.exit_code, result.stdout)
    assert "no product's name contains 'gpt-9'" in result.stderr
